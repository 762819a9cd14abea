"""What the jobs of a Slurm run tell of themselves, and what Slurm's queue says of them; following a run by both."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.queue.queue_monitor import QueueMonitor, head_trouble, waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob
from fdt_core.exit_codes import ExitCode
from orchestrator.run.run_directory import RunDirectory

_POLL_SECONDS = 2.0
_SILENT_TOO_LONG = 300.0
"""Seconds after which a driver that says nothing ends the following; the sweep itself is not touched."""


def slurm_status(run: RunDirectory, jobs: Sequence[QueuedJob] | None = None) -> dict[str, Any] | None:
    """The head's record and those of the workers; None for a run that was never launched on Slurm.

    `jobs` are the run's jobs in Slurm's queue, where they are known: then `queue` has them, and `waiting` says in words
    which of them wait and why; `head_trouble` tells why the head will not come.
    """
    files = SlurmFiles(run.slurm)
    head = files.read_head()
    if head is None:
        return None
    return {
        "head": dataclasses.asdict(head),
        "pool": None if (pool := files.read_pool()) is None else dataclasses.asdict(pool),
        "submitted": [dataclasses.asdict(job) for job in files.read_jobs()],
        "workers": [dataclasses.asdict(worker) for worker in files.read_workers()],
        "queue": None if jobs is None else [dataclasses.asdict(job) for job in jobs],
        "waiting": [] if jobs is None else list(waiting_lines(read_launch(files), jobs)),
        "head_trouble": None if jobs is None else head_trouble(files, jobs),
    }


def is_over(slurm: Mapping[str, Any]) -> bool:
    """Whether the head has said that nothing more will run."""
    return bool(slurm["head"]["state"] == "closed")


def slurm_lines(slurm: Mapping[str, Any]) -> Iterator[str]:
    """The jobs as people read them: the head, the workers that live, and why others were refused."""
    head = slurm["head"]
    why = f" ({head['why']})" if head["why"] else ""
    place = f", job {head['job_id']} on {head['host']}" if head["job_id"] else ""
    yield f"  Slurm: head {head['state']}{place}{why}"
    if is_over(slurm):
        return
    yield from _pool_lines(slurm["pool"])
    if slurm["head_trouble"]:
        yield f"  {slurm['head_trouble']}"
    yield from (f"  {line}" for line in slurm["waiting"] if line != slurm["head_trouble"])
    begun = {worker["job_id"] for worker in slurm["workers"]}
    waiting = [job["job_id"] for job in slurm["submitted"] if job["role"] == "worker" and job["job_id"] not in begun]
    if waiting and slurm["queue"] is None:
        yield f"  workers not started yet: {', '.join(waiting)}"
    for worker in slurm["workers"]:
        if worker["state"] not in ("ended",):
            gpus = f", GPUs {worker['gpus']}" if worker["gpus"] else ""
            why = f" ({worker['why']})" if worker["why"] else ""
            yield f"  worker {worker['job_id']} on {worker['node']}{gpus}: {worker['state']}{why}"


def _pool_lines(pool: Mapping[str, Any] | None) -> Iterator[str]:
    """Why no workers are asked for, where something holds them up."""
    if pool is not None and pool["why"]:
        again = pool["asked_again_at"]
        then = f"; next attempt at {time.strftime('%H:%M', time.localtime(again))}" if again else ""
        yield f"  no more workers are asked for: {pool['why']}{then}"


def follow_run(
    run: RunDirectory, look: Callable[[Sequence[QueuedJob] | None], Mapping[str, Any]], say: Callable[[str], None]
) -> int:
    """Report on a launched run until it ends, or its head is lost; returns the exit status of its driver.

    `look` gives the run's status, with its `slurm` part, from the run's jobs in Slurm's queue.
    """
    told, queue = "", QueueMonitor(SlurmFiles(run.slurm))
    while True:
        now = look(queue.jobs())
        if (line := _line(now)) != told:
            say(f"{time.strftime('%H:%M:%S')} {line}")
            told = line
        if is_over(now["slurm"]):
            head = now["slurm"]["head"]
            say(f"ended: {head['why']}" + ("" if head["status"] is None else f", exit status {head['status']}"))
            return ExitCode.PROBLEM if head["status"] is None else int(head["status"])
        if (now["silent_seconds"] or 0) > _SILENT_TOO_LONG:
            path = shlex.quote(str(run.path))
            say(f"the driver has been silent for {now['silent_seconds']:.0f} s; see: fdt-sweep status {path}")
            return ExitCode.PROBLEM
        if now["slurm"]["head_trouble"] and (why := queue.verdict()):
            say(f"{why}\nlaunch again to go on, or: fdt-sweep cancel {shlex.quote(str(run.path))}")
            return ExitCode.PROBLEM
        time.sleep(_POLL_SECONDS)


def _line(status: Mapping[str, Any]) -> str:
    progress, slurm = status["progress"], status["slurm"]
    workers = Counter(worker["state"] for worker in slurm["workers"] if worker["state"] != "ended")
    states = ", ".join(f"{count} {state}" for state, count in sorted(workers.items())) or "none yet"
    ended = progress["total"] - progress["left"]
    return (
        f"head {slurm['head']['state']}; workers: {states}; "
        f"{ended}/{progress['total']} trials ended, {progress['failed']} failed, {len(status['running'])} running"
        + "".join(f"; {line}" for line in slurm["waiting"])
    )
