"""The record that a worker job keeps of itself in the run directory; it is also the job's heartbeat."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.job_context import JobContext, JobEnd
from cluster.slurm.records import WorkerRecord, WorkerState

BEAT_SECONDS = 5.0


def first_record(job: JobContext, end: JobEnd, *, clock: Clock = SYSTEM_CLOCK) -> WorkerRecord:
    """The record of a worker job that has not done anything yet."""
    now = clock.now()
    return WorkerRecord(
        job_id=job.job_id,
        slurm_job_id=job.slurm_job_id,
        host=job.host,
        node=job.node,
        state=WorkerState.STARTING,
        gpus=job.gpus,
        started_at=now,
        ends_at=end.deadline,
        beat=0,
        written_at=now,
    )


class WorkerRecordWriter:
    """Keeps the worker's record up to date."""

    def __init__(self, files: SlurmFiles, record: WorkerRecord, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._files = files
        self._record = record
        self._clock = clock
        self._written_at = float("-inf")

    def report(self, state: WorkerState, why: str = "", **changes: object) -> None:
        """Write the record with a new state and these `changes`; print the state to the job's output."""
        print(f"{time.strftime('%H:%M:%S')} worker {self._record.job_id}: {state} {why}".rstrip(), flush=True)
        self._write(dataclasses.replace(self._record, state=state, why=why, **changes))  # type: ignore[arg-type]  # fields of the record, by name

    def beat(self, is_idle: Callable[[], bool] = lambda: False) -> None:
        """If a heartbeat is due, show that the job is alive, and for how many heartbeats it has been idle."""
        if self._clock.monotonic() - self._written_at >= BEAT_SECONDS:
            idle_beats = self._record.idle_beats + 1 if is_idle() else 0
            self._write(dataclasses.replace(self._record, idle_beats=idle_beats))

    def has_joined(self) -> bool:
        """Whether the worker was part of the cluster when its record was last written."""
        return self._record.joined_at is not None

    def _write(self, record: WorkerRecord) -> None:
        self._record = dataclasses.replace(record, beat=record.beat + 1, written_at=self._clock.now())
        self._written_at = self._clock.monotonic()
        self._files.write_worker(self._record)
