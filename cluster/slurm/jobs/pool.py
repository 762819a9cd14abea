"""The elastic pool: keeps a sweep's worker jobs matched to what is left to do, in a separate process.

The head's job runs it as `python -m cluster.slurm.jobs.pool SLURM_DIRECTORY`, so that a late answer from Slurm holds up
nothing else. It reads from files what the driver can use (`Demand`) and what workers report, replaces workers that are
lost or leaving, takes waiting ones that are no longer needed out of the queue, and asks idle ones to leave.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.jobs.pool_plan import Breaker, PoolPlan, PoolWorker, match_pool
from cluster.slurm.jobs.worker_submission import submit_allowed_workers
from cluster.slurm.queue import slurm_commands
from cluster.slurm.queue.queue_monitor import waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob, SlurmCommands
from cluster.slurm.queue.sweep_jobs import jobs_in_queue
from cluster.slurm.records import PoolRecord, Role, SlurmLaunch, WorkerRecord, WorkerState
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
"""A worker whose heartbeat has stopped for this long is replaced."""
IDLE_BEATS = 12
"""A worker without work at this many consecutive heartbeats (5 s each) is idle."""


class SubmitWorkers(Protocol):
    """How the pool submits; see `submit_allowed_workers`."""

    def __call__(
        self, files: SlurmFiles, launch: SlurmLaunch, *, count: int, profile: int, avoid: Collection[str]
    ) -> list[str]:
        """Submit up to `count` workers; returns their ids."""


@dataclass(frozen=True)
class _Beat:
    """A worker's last heartbeat, and when it was first seen (by the monotonic clock)."""

    beat: int
    seen_at: float


class WorkerPool:
    """The worker jobs of one launch. Call `look` every few seconds."""

    def __init__(
        self,
        files: SlurmFiles,
        *,
        head_job: str,
        slurm: SlurmCommands = slurm_commands,
        submit: SubmitWorkers = submit_allowed_workers,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._files = files
        self._head_job = head_job
        self._slurm = slurm
        self._submit_workers = submit
        self._clock = clock
        self._launch = read_launch(files)
        self._breakers = tuple(Breaker() for _ in self._launch.profiles)
        self._asked = False
        """Whether Slurm has answered at least once: before that, nothing is submitted."""
        self._waiting: dict[str, bool] = {}
        """Live worker jobs, oldest first, and whether they were waiting when Slurm was last asked."""
        self._profiles = {job.job_id: self._launch.profile_number(job.profile) for job in files.read_jobs()}
        self._joined: set[str] = set()
        """Workers that have joined at some time."""
        self._written_off: set[str] = set()
        """Workers whose end does not, or no longer, count against the breaker."""
        self._avoided = {worker.node for worker in files.read_workers() if worker.unfit}
        """Nodes that were refused because of their devices."""
        self._beats: dict[str, _Beat] = {}
        self._trouble = ""
        """The error, while Slurm does not answer."""
        self._ask_at = clock.monotonic() + FIRST_SQUEUE_SECONDS
        self._submit_at = float("-inf")
        self._published = ("", 0.0)

    def look(self) -> None:
        """Look at the files, and at Slurm's queue if it is time; act on what has changed."""
        now = self._clock.monotonic()
        if now >= self._ask_at:
            self._ask_at = now + SQUEUE_SECONDS
            self._ask_slurm(now)
        demand = self._files.read_demand()
        if demand is not None and self._asked and not self._trouble:
            records = {job_id: self._files.read_worker(job_id) for job_id in [*self._waiting, self._head_job]}
            self._note_reports(records, now)
            workers = self._workers(records, now)
            self._act(match_pool(workers, demand, self._most(workers, now)), now)
        self._publish(now)

    def _ask_slurm(self, now: float) -> None:
        """Find out which worker jobs there are; those that vanished without having joined count against the breaker."""
        name = self._launch.name_of(Role.WORKER)
        try:
            queued = jobs_in_queue(self._launch, slurm=self._slurm)
            jobs = [job for job in queued if job.name == name and job.state != "COMPLETING"]
            self._give_up([job for job in jobs if job.will_not_start], now)
        except FdtError as problem:
            self._trouble = str(problem)
            return
        self._trouble = ""
        live = {job.job_id: job.state == "PENDING" for job in jobs if not job.will_not_start}
        for job_id in set(self._waiting) - set(live):
            self._note_end(job_id, self._files.read_worker(job_id), now)
        self._waiting, self._asked = live, True

    def _give_up(self, jobs: Sequence[QueuedJob], now: float) -> None:
        """Cancel jobs that will not start, and pause their profiles, as after a refusal."""
        self._slurm.cancel_jobs([job.job_id for job in jobs])
        self._written_off.update(job.job_id for job in jobs)
        for profile in {self._profile_of(job.job_id) for job in jobs}:
            lines = waiting_lines(self._launch, [job for job in jobs if self._profile_of(job.job_id) == profile])
            self._breakers[profile].refused("; ".join(lines), now)

    def _note_reports(self, records: dict[str, WorkerRecord | None], now: float) -> None:
        """Record what workers report: which have ended, which have joined, which send heartbeats."""
        for job_id, record in records.items():
            if record is None:
                continue
            if _has_ended(record):
                self._waiting.pop(job_id, None)
                self._note_end(job_id, record, now)
            known = self._beats.get(job_id)
            if known is None or known.beat != record.beat:
                self._beats[job_id] = _Beat(record.beat, now)
            if record.joined_at is not None and job_id not in self._joined:
                self._joined.add(job_id)
                self._breakers[self._profile_of(job_id)].joined()

    def _workers(self, records: dict[str, WorkerRecord | None], now: float) -> list[PoolWorker]:
        """The workers to count on: neither leaving nor silent."""
        found = []
        for job_id, record in records.items():
            beside_head = job_id == self._head_job
            if record is None and beside_head:
                continue  # the profile does not put a worker beside the head
            if record is None or self._can_be_counted_on(record, now):
                # The worker beside the head is never dispensable: its devices are allocated while the head's job lives.
                idle = not beside_head and record is not None and record.idle_beats >= IDLE_BEATS
                waits = record is None and self._waiting.get(job_id, False)
                found.append(PoolWorker(job_id=job_id, profile=self._profile_of(job_id), waits=waits, idle=idle))
        return found

    def _can_be_counted_on(self, record: WorkerRecord, now: float) -> bool:
        """Whether the worker runs trials, or soon will.

        If a worker that should send heartbeats is silent, its node hangs or is gone, and Slurm has not noticed.
        """
        silent = now - self._beats[record.job_id].seen_at > SILENT_SECONDS
        should_beat = record.state in (WorkerState.WAITING, WorkerState.JOINED)
        return not (_has_ended(record) or record.state == WorkerState.DRAINING or (should_beat and silent))

    def _most(self, workers: Sequence[PoolWorker], now: float) -> list[int]:
        """The limit on workers of each profile: while its breaker is open, the present number."""
        counts = Counter(worker.profile for worker in workers)
        return [
            counts[index] + breaker.allowed(max(profile.max_workers - counts[index], 0), now)
            for index, (profile, breaker) in enumerate(zip(self._launch.profiles, self._breakers, strict=True))
        ]

    def _profile_of(self, job_id: str) -> int:
        """Index of the job's profile. A job of an earlier launch whose profile is gone gets any: it refuses to work."""
        return self._profiles.get(job_id) or 0

    def _note_end(self, job_id: str, record: WorkerRecord | None, now: float) -> None:
        if record is not None and record.unfit:
            self._avoided.add(record.node)
        useful = job_id in self._joined or (record is not None and record.joined_at is not None)
        if not useful and job_id not in self._written_off and job_id != self._head_job:
            printed = "".join(f": {line}" for line in self._files.last_lines(job_id, 1))
            why = record.why if record and record.why else f"it left the queue without a word{printed}"
            self._breakers[self._profile_of(job_id)].ended_unjoined(f"{job_id}: {why}", now)
            self._written_off.add(job_id)  # counted once

    def _act(self, plan: PoolPlan, now: float) -> None:
        try:
            self._withdraw(plan.withdraw)
        except FdtError as problem:
            self._trouble = str(problem)
        for job_id in plan.retire:
            self._files.ask_to_leave(job_id)
        if now >= self._submit_at:
            for profile, count in enumerate(plan.submit):
                if count:
                    self._submit(profile, count, now)

    def _withdraw(self, job_ids: Sequence[str]) -> None:
        if job_ids:
            self._slurm.cancel_jobs(job_ids)
            self._written_off.update(job_ids)
            for job_id in job_ids:
                self._waiting.pop(job_id)

    def _submit(self, profile: int, count: int, now: float) -> None:
        self._submit_at = now + SUBMIT_SECONDS
        try:
            submitted = self._submit_workers(
                self._files, self._launch, count=count, profile=profile, avoid=self._avoided
            )
        except FdtError as problem:
            self._breakers[profile].refused(str(problem), now)
            return
        self._breakers[profile].accepted()
        self._profiles.update(dict.fromkeys(submitted, profile))
        self._waiting.update(dict.fromkeys(submitted, True))
        print(f"{time.strftime('%H:%M:%S')} submitted workers {', '.join(submitted)}", flush=True)

    def _publish(self, now: float) -> None:
        """Record what holds up the pool, for `status`, whenever it changes."""
        held = [breaker for breaker in self._breakers if breaker.why]
        why = self._trouble or "; ".join(breaker.why for breaker in held)
        again = min((breaker.open_until for breaker in held), default=now)
        state = (why, again if held else 0.0)
        if state != self._published:
            self._published = state
            asked_again_at = None if self._trouble or again <= now else self._clock.now() + again - now
            record = PoolRecord(why=why, asked_again_at=asked_again_at, written_at=self._clock.now())
            write_record(self._files.pool, record)


def _has_ended(record: WorkerRecord) -> bool:
    return record.state in (WorkerState.ENDED, WorkerState.REFUSED)


def main() -> None:
    """Watch until the head's job ends this process."""
    pool = WorkerPool(SlurmFiles(Path(sys.argv[1])), head_job=os.environ["SLURM_JOB_ID"])
    while True:
        pool.look()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
