"""The elastic pool: keeps a sweep's worker jobs matched to what is left to do, from a process of its own.

Run by the head's job as `python -m cluster.slurm.jobs.pool SLURM_DIRECTORY`, so that a late answer from Slurm holds up
nothing else. It reads what the driver can use (`Demand`) and what workers say from files, replaces those that are lost
or leaving, takes waiting ones that are no longer needed out of the queue, and tells idle ones to leave.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.jobs.pool_plan import Breaker, PoolPlan, PoolWorker, match_pool
from cluster.slurm.jobs.worker_submission import submit_allowed_workers
from cluster.slurm.queue.queue_monitor import waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob, cancel_jobs
from cluster.slurm.queue.sweep_jobs import jobs_in_queue
from cluster.slurm.records import IDLE, PoolRecord, WorkerRecord
from fdt_core.errors import FdtError

LOOK_SECONDS = 2.0
"""Between looks at the files."""
SQUEUE_SECONDS = 60.0
"""Between questions to Slurm, however many jobs there are."""
FIRST_SQUEUE_SECONDS = 15.0
"""The launch may still be submitting workers when the head starts."""
SUBMIT_SECONDS = 10.0
"""Between submissions."""
SILENT_SECONDS = 60.0
"""A worker whose heartbeat stands still for so long is replaced."""
IDLE_BEATS = 12
"""A worker that was without work at so many heartbeats in a row (5 s each) idles."""


class WorkerPool:
    """The worker jobs of one launch, watched by the head's job. `look` at them every few seconds."""

    def __init__(self, files: SlurmFiles, *, head_job: str) -> None:
        self._files = files
        self._head_job = head_job
        self._launch = read_launch(files)
        self._breakers = tuple(Breaker() for _ in self._launch.profiles)
        self._waits: dict[str, bool] | None = None
        """Live worker jobs, oldest first, and whether they waited when Slurm was last asked; None: not asked yet."""
        self._profiles = {job.job_id: self._launch.profile_number(job.profile) for job in files.read_jobs()}
        self._joined: set[str] = set()
        self._withdrawn: set[str] = set()
        self._avoided = {worker.node for worker in files.read_workers() if worker.unfit}
        """Nodes whose devices were found unfit."""
        self._beats: dict[str, tuple[int, float]] = {}
        """The last heartbeat of each worker, and when it was first seen."""
        self._trouble = ""
        self._squeue_at = time.monotonic() + FIRST_SQUEUE_SECONDS
        self._submit_at = float("-inf")
        self._told = ("", 0.0)

    def look(self) -> None:
        """Look at the files, and at Slurm's queue if it is time; do what follows."""
        now = time.monotonic()
        if now >= self._squeue_at:
            self._squeue_at = now + SQUEUE_SECONDS
            self._ask_slurm(now)
        demand = self._files.read_demand()
        if demand is not None and self._waits is not None and not self._trouble:
            workers = self._workers(self._waits, now)
            self._act(match_pool(workers, demand, self._most(workers, now)), self._waits, now)
        self._tell(now)

    def _ask_slurm(self, now: float) -> None:
        """Learn which worker jobs there are; those that vanished without having joined count against the breaker."""
        name = self._launch.name_of("worker")
        try:
            jobs = [job for job in jobs_in_queue(self._launch) if job.name == name and job.state != "COMPLETING"]
            self._give_up([job for job in jobs if job.waits_for_good], now)
            live = {job.job_id: job.state == "PENDING" for job in jobs if not job.waits_for_good}
        except FdtError as problem:
            self._trouble = str(problem)
            return
        self._trouble = ""
        for job_id in set(self._waits or {}) - set(live):
            self._note_end(job_id, self._files.read_worker(job_id), now)
        self._waits = live

    def _give_up(self, jobs: Sequence[QueuedJob], now: float) -> None:
        """Cancel jobs that will never start; their profile is left alone for a while, as after a refusal."""
        cancel_jobs([job.job_id for job in jobs])
        self._withdrawn.update(job.job_id for job in jobs)
        for profile in {self._profile_of(job.job_id) for job in jobs}:
            lines = waiting_lines(self._launch, [job for job in jobs if self._profile_of(job.job_id) == profile])
            self._breakers[profile].refused("; ".join(lines), now)

    def _most(self, workers: Sequence[PoolWorker], now: float) -> list[int]:
        """How many workers of each profile there may be: no more than there are where its breaker is open."""
        counts = Counter(worker.profile for worker in workers)
        return [
            counts[index] + breaker.allowed(max(profile.max_workers - counts[index], 0), now)
            for index, (profile, breaker) in enumerate(zip(self._launch.profiles, self._breakers, strict=True))
        ]

    def _workers(self, waits: dict[str, bool], now: float) -> list[PoolWorker]:
        """The workers to count on: those that ended or are leaving are as good as gone."""
        found = []
        for job_id, waited in [*waits.items(), (self._head_job, False)]:
            record = self._files.read_worker(job_id)
            if record is None and job_id == self._head_job:
                continue  # the head's job is a worker too only where the profile says so
            if record is not None and record.state in ("ended", "refused"):
                waits.pop(job_id, None)
                self._note_end(job_id, record, now)
            elif record is None or (record.state != "draining" and not self._is_silent(record, now)):
                expendable = job_id != self._head_job
                found.append(_pool_worker(job_id, self._profile_of(job_id), record, waited, expendable=expendable))
            if record is not None and record.joined_at is not None and job_id not in self._joined:
                self._joined.add(job_id)
                self._breakers[self._profile_of(job_id)].joined()
        return found

    def _profile_of(self, job_id: str) -> int:
        """A job of a former launch whose profile is gone refuses to work as soon as it starts: any will do."""
        return self._profiles.get(job_id) or 0

    def _is_silent(self, record: WorkerRecord, now: float) -> bool:
        """Whether a worker that should beat has not for long: its node hangs or is gone, and Slurm has not noticed."""
        beat, seen_at = self._beats.get(record.job_id, (-1, now))
        if beat != record.beat:
            self._beats[record.job_id] = (record.beat, now)
            return False
        return record.state in ("waiting", "joined") and now - seen_at > SILENT_SECONDS

    def _note_end(self, job_id: str, record: WorkerRecord | None, now: float) -> None:
        if record is not None and record.unfit:
            self._avoided.add(record.node)
        useful = job_id in self._joined or (record is not None and record.joined_at is not None)
        if not useful and job_id not in self._withdrawn and job_id != self._head_job:
            printed = "".join(f": {line}" for line in self._files.last_lines(job_id, 1))
            why = record.why if record and record.why else f"it left the queue without a word{printed}"
            self._breakers[self._profile_of(job_id)].ended_unjoined(f"{job_id}: {why}", now)
            self._withdrawn.add(job_id)  # counted once

    def _act(self, plan: PoolPlan, waits: dict[str, bool], now: float) -> None:
        try:
            if plan.withdraw:
                cancel_jobs(plan.withdraw)
                self._withdrawn.update(plan.withdraw)
                for job_id in plan.withdraw:
                    waits.pop(job_id)
        except FdtError as problem:
            self._trouble = str(problem)
        for job_id in plan.retire:
            self._files.ask_to_leave(job_id, IDLE)
        if now >= self._submit_at:
            for profile, count in enumerate(plan.submit):
                if count:
                    self._submit(profile, count, waits, now)

    def _submit(self, profile: int, count: int, waits: dict[str, bool], now: float) -> None:
        self._submit_at = now + SUBMIT_SECONDS
        try:
            submitted = submit_allowed_workers(
                self._files, self._launch, count=count, profile=profile, avoid=self._avoided
            )
        except FdtError as problem:
            self._breakers[profile].refused(str(problem), now)
            return
        self._breakers[profile].accepted()
        self._profiles.update(dict.fromkeys(submitted, profile))
        waits.update(dict.fromkeys(submitted, True))
        print(f"{time.strftime('%H:%M:%S')} submitted workers {', '.join(submitted)}", flush=True)

    def _tell(self, now: float) -> None:
        """Write down what holds the pool up, for `status`, whenever it changes."""
        held = [breaker for breaker in self._breakers if breaker.why]
        why = self._trouble or "; ".join(breaker.why for breaker in held)
        again = min((breaker.open_until for breaker in held), default=now)
        if (why, again if held else 0.0) != self._told:
            self._told = (why, again if held else 0.0)
            asked_again_at = None if self._trouble or again <= now else time.time() + again - now
            record = PoolRecord(why=why, asked_again_at=asked_again_at, written_at=time.time())
            write_record(self._files.pool, record)


def _pool_worker(
    job_id: str, profile: int, record: WorkerRecord | None, waited: bool, *, expendable: bool
) -> PoolWorker:
    """The worker beside the head is never expendable: its devices are taken for as long as the head's job lives."""
    idle = expendable and record is not None and record.idle_beats >= IDLE_BEATS
    return PoolWorker(job_id=job_id, profile=profile, waits=waited and record is None, idle=idle)


def main() -> None:
    """Watch until the head's job ends this process."""
    pool = WorkerPool(SlurmFiles(Path(sys.argv[1])), head_job=os.environ["SLURM_JOB_ID"])
    while True:
        pool.look()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
