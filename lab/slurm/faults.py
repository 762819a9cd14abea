"""What clusters do to sweeps: each fault is injected into a running sweep in the lab, and returns what it hit."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from cluster.slurm.records import Role, WorkerRecord, WorkerState
from lab.slurm.slurm_runs import SlurmRun
from lab.slurm.time_lost import TICK_SECONDS, Interruption, epochs_trained, interruptions, training_jobs
from lab.slurm.waiting import wait_for
from lab.sweeps import is_alive

Fault = Callable[[SlurmRun, random.Random], str]


_POWER_CUTS = frozenset(("worker_killed", "node_crashed"))
"""Faults that leave no process of a job, not even the one that would clean up."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """A fault that was injected into a sweep."""

    fault: str
    at: float
    """Seconds since the epoch."""
    hit: str
    """The job, node or process that it hit."""

    @property
    def is_power_cut(self) -> bool:
        """Whether it killed every process of a job at once."""
        return self.fault in _POWER_CUTS


def inject(run: SlurmRun, name: str, chance: random.Random, *, workers: int = 1) -> Injection:
    """Wait until `workers` have joined, let the sweep train a little, and inject the fault `name`.

    Raises AssertionError if the sweep is over by then.
    """
    wait_for(lambda: len(joined_workers(run)) >= workers or run.is_over(), f"{workers} workers have joined", 180)
    await_training(run)
    assert not run.is_over(), f"the sweep was over before {name}"
    at = time.time()
    return Injection(fault=name, at=at, hit=FAULTS[name](run, chance))


def await_training(run: SlurmRun, epochs: int = 2) -> None:
    """Wait until this many further `epochs` have been trained, or the sweep is over."""
    before = epochs_trained(run.path)
    wait_for(lambda: epochs_trained(run.path) >= before + epochs or run.is_over(), "the sweep trains", 180)


def costs(run: SlurmRun, injections: Sequence[Injection]) -> list[str]:
    """What each injection cost the sweep, one line each."""
    found = interruptions(run.path)
    lines = []
    for injection in injections:
        caused = [each for each in found if _cause(each, injections) is injection]
        seconds = sum(each.seconds for each in caused)
        repeated = sum(each.epochs_repeated for each in caused)
        cost = f"{len(caused)} trials interrupted, {seconds:.0f} s lost, {repeated} epochs repeated"
        lines.append(f"{injection.fault} ({injection.hit}): {cost}")
    return lines


def _cause(stop: Interruption, injections: Sequence[Injection]) -> Injection | None:
    """The last injection before a trial that could save was stopped; the next one for a trial that could not."""
    before = [each for each in injections if each.at <= stop.last_logged_at + TICK_SECONDS]
    after = [each for each in injections if each.at >= stop.last_logged_at - TICK_SECONDS]
    return next(iter(before[-1:] if stop.saved else after[:1]), None)


def joined_workers(run: SlurmRun) -> list[WorkerRecord]:
    """The workers that are part of the sweep's Ray now."""
    running = run.lab.jobs("RUNNING")
    return [
        worker for worker in run.files.read_workers() if worker.state == WorkerState.JOINED and worker.job_id in running
    ]


def some_worker(run: SlurmRun, chance: random.Random) -> WorkerRecord:
    """A random joined worker, one that trains if there is any; waits until a worker has joined."""
    wait_for(lambda: bool(joined_workers(run)), "a worker has joined", 120)
    joined, busy = joined_workers(run), training_jobs(run.path)
    return chance.choice([worker for worker in joined if worker.slurm_job_id in busy] or joined)


def worker_processes(run: SlurmRun, worker: WorkerRecord) -> list[psutil.Process]:
    """All processes of a worker's job."""
    found = []
    for process in run.lab.job_processes(worker.node):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURM_JOB_ID") == worker.slurm_job_id:
                found.append(process)
    return found


def head_job(run: SlurmRun) -> str:
    """The id of the head's newest job."""
    return [job.job_id for job in run.files.read_jobs() if job.role == Role.HEAD][-1]


def worker_cancelled(run: SlurmRun, chance: random.Random) -> str:
    """A user runs scancel on a worker."""
    victim = some_worker(run, chance)
    assert victim.job_id in run.lab.jobs("RUNNING")
    run.lab.run("scancel", victim.job_id)
    return f"worker {victim.job_id} on {victim.node}"


def worker_preempted(run: SlurmRun, chance: random.Random) -> str:
    """A job in a higher partition takes a worker's GPUs; the worker's partition decides whether there is a warning.

    The head has no GPU, so it is not preempted.
    """
    victim = some_worker(run, chance)
    _preempting_job(run, victim.node)
    wait_for(lambda: victim.job_id not in run.lab.live_jobs(), "the worker is gone", 60)
    return f"worker {victim.job_id} on {victim.node}"


def worker_killed(run: SlurmRun, chance: random.Random) -> str:
    """All processes of a worker's job are killed at once, without warning (scancel would warn)."""
    victim = some_worker(run, chance)
    processes = worker_processes(run, victim)
    assert "raylet" in _names(processes), "it is part of the cluster"
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: victim.job_id not in run.lab.jobs("RUNNING"), "the worker is gone", 60)
    return f"worker {victim.job_id} on {victim.node}"


def worker_requeued(run: SlurmRun, chance: random.Random) -> str:
    """The site requeues a worker, although it was submitted with --no-requeue."""
    victim = some_worker(run, chance)
    run.lab.run("scontrol", "update", f"JobId={victim.job_id}", "Requeue=1")
    run.lab.run("scontrol", "requeue", victim.job_id)
    return f"worker {victim.job_id} on {victim.node}"


def node_crashed(run: SlurmRun, chance: random.Random) -> str:
    """A worker's node loses its power, and comes back once Slurm has noticed."""
    victim = some_worker(run, chance)
    processes = worker_processes(run, victim)
    assert "raylet" in _names(processes), "it is part of the cluster"
    run.lab.crash_node(victim.node)
    try:
        wait_for(lambda: not any(is_alive(process) for process in processes), "the processes have died", 20)
        time.sleep(5)
    finally:
        run.lab.start_node(victim.node)  # the next tests use it
    return f"{victim.node}, worker {victim.job_id}"


def trial_killed(run: SlurmRun, chance: random.Random) -> str:
    """The kernel kills the process of a trial."""
    return _kill_one(run, chance, "SweepTrial")


def driver_killed(run: SlurmRun, chance: random.Random) -> str:
    """The kernel kills the driver in the head's job."""
    return _kill_one(run, chance, "drive-on-slurm")


def raylet_killed(run: SlurmRun, chance: random.Random) -> str:
    """A worker's raylet dies while its job lives."""
    victim = some_worker(run, chance)
    killed = []
    for process in run.lab.job_processes(victim.node):
        with contextlib.suppress(psutil.Error):
            if process.name() == "raylet" and process.environ().get("FDT_NODE") == victim.job_id:
                killed.append(process)
                process.kill()
    assert len(killed) == 1
    wait_for(lambda: not is_alive(killed[0]), "the raylet is gone", 30)
    return f"worker {victim.job_id} on {victim.node}"


def head_requeued(run: SlurmRun, chance: random.Random) -> str:
    """An administrator or a preemption requeues the head."""
    job = head_job(run)
    assert job in run.lab.jobs("RUNNING")
    run.lab.run("scontrol", "requeue", job)
    return f"head {job}"


def head_lost(run: SlurmRun, chance: random.Random) -> str:
    """The head is cancelled, and its user launches again."""
    job = head_job(run)
    assert job in run.lab.jobs("RUNNING")
    run.lab.run("scancel", job)
    wait_for(lambda: job not in run.lab.live_jobs(), "the head is gone", 60)
    run.launch_again()
    return f"head {job}, then launched again: {head_job(run)}"


def controller_restarted(run: SlurmRun, chance: random.Random) -> str:
    """The controller is down for a few seconds."""
    run.lab.stop_controller()
    time.sleep(chance.uniform(2, 6))
    run.lab.start_controller()
    return "slurmctld"


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        worker_cancelled,
        worker_preempted,
        worker_killed,
        worker_requeued,
        node_crashed,
        trial_killed,
        driver_killed,
        raylet_killed,
        head_requeued,
        head_lost,
        controller_restarted,
    )
}


def _preempting_job(run: SlurmRun, node: str) -> None:
    options = [f"--nodelist={node}", f"--gres=gpu:{run.lab.gpus}", "--partition=high", "--no-requeue"]
    run.lab.run("sbatch", *options, "--time=1", "--output=/dev/null", "--wrap=sleep 5")


def _kill_one(run: SlurmRun, chance: random.Random, word: str) -> str:
    """Kill a random process with `word` in its command line; waits until there is one."""
    wait_for(lambda: bool(_job_processes(run, word)), f"{word} runs", 120)
    victim = chance.choice(_job_processes(run, word))
    victim.kill()
    wait_for(lambda: not is_alive(victim), f"{word} is gone", 30)
    return f"process {victim.pid}"


def _names(processes: Sequence[psutil.Process]) -> set[str]:
    """Names of the processes that still live."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found.add(process.name())
    return found


def _job_processes(run: SlurmRun, word: str) -> list[psutil.Process]:
    """Living processes of the lab with `word` in their command line."""
    found = []
    for process in run.lab.processes():
        with contextlib.suppress(psutil.Error):
            if word in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
