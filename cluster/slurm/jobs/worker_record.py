"""What a worker job tells of itself: its record in the run directory, which is also its heartbeat."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from cluster.slurm.files import write_record
from cluster.slurm.jobs.job_context import JobContext, JobEnd
from cluster.slurm.records import WorkerRecord, WorkerState

BEAT_SECONDS = 5.0


def first_record(job: JobContext, end: JobEnd) -> WorkerRecord:
    """What a worker job tells of itself before it has done anything."""
    now = time.time()
    return WorkerRecord(
        job_id=job.job_id,
        slurm_job_id=job.slurm_job_id,
        host=job.host,
        node=job.node,
        state="starting",
        gpus=job.gpus,
        started_at=now,
        ends_at=end.deadline,
        beat=0,
        written_at=now,
    )


class WorkerRecordWriter:
    """Keeps the worker's record, which is also its heartbeat."""

    def __init__(self, path: Path, record: WorkerRecord) -> None:
        self._path = path
        self._record = record
        self._spoken_at = float("-inf")

    def say(self, state: WorkerState, why: str = "", **changes: object) -> None:
        """Write the record with a new state, and tell the job's output."""
        print(f"{time.strftime('%H:%M:%S')} worker {self._record.job_id}: {state} {why}".rstrip(), flush=True)
        self._write(dataclasses.replace(self._record, state=state, why=why, **changes))  # type: ignore[arg-type]

    def beat(self, is_idle: Callable[[], bool] = lambda: False) -> None:
        """Show that the job lives, if it is time to, and for how long it was without work."""
        if time.monotonic() - self._spoken_at >= BEAT_SECONDS:
            idle_beats = self._record.idle_beats + 1 if is_idle() else 0
            self._write(dataclasses.replace(self._record, idle_beats=idle_beats))

    def has_joined(self) -> bool:
        """Whether the worker was part of the cluster when it last spoke."""
        return self._record.joined_at is not None

    def _write(self, record: WorkerRecord) -> None:
        self._record = dataclasses.replace(record, beat=record.beat + 1, written_at=time.time())
        self._spoken_at = time.monotonic()
        write_record(self._path, self._record)
