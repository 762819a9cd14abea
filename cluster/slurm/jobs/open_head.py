"""Ray's head of a Slurm sweep, in the driver's process, and the file in which workers find its address."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster.ray_nodes.ray_node import RayHead, head_ray
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.records import HeadRecord, HeadState


@contextmanager
def open_head(slurm_directory: Path, variables: Mapping[str, str] | None = None) -> Iterator[RayHead]:
    """Open Ray's head in this process and publish its address, so that workers join whenever Slurm starts them.

    It does not wait for workers: there may be none yet. At exit the workers leave, and wait for what the head's job
    publishes next. Call it from the main thread; `variables` are added to the environment of this process. Raises
    EnvironmentProblem if the sweep's credentials, or the profile's scratch directory or network interface, cannot be
    used.
    """
    files = SlurmFiles(slurm_directory)
    job_id = os.environ.get("SLURM_JOB_ID", "")
    profile = read_launch(files).profiles[0]
    credentials = files.credentials(tls=profile.tls)
    with head_ray(profile, credentials=credentials, variables=variables or {}) as head:
        publish_head(files, job_id, HeadState.OPEN, address=head.address, tls=profile.tls)
        try:
            yield head
        finally:
            publish_head(files, job_id, HeadState.MOVING, why="the driver has ended")


def publish_head(
    files: SlurmFiles,
    job_id: str,
    state: HeadState,
    *,
    address: str | None = None,
    tls: bool = False,
    why: str = "",
    status: int | None = None,
) -> bool:
    """Publish where the head of job `job_id` is; does nothing and returns False if a later head has published."""
    published = files.read_head()
    if state != HeadState.OPEN and published is not None and published.job_id not in (None, job_id):
        return False
    record = HeadRecord(
        state=state,
        job_id=job_id,
        address=address,
        tls=tls,
        host=socket.gethostname(),
        why=why,
        status=status,
        written_at=time.time(),
    )
    write_record(files.head, record)
    return True
