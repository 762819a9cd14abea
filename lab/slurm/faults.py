"""What clusters do to sweeps: each fault strikes a running sweep in the lab, and says whom it hit."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from cluster.slurm.records import WorkerRecord
from lab.slurm.slurm_lab import wait_for
from lab.slurm.slurm_runs import SlurmRun
from lab.slurm.time_lost import TICK_SECONDS, Interruption, epochs_trained, interruptions, jobs_at_work
from lab.sweeps import is_alive

Fault = Callable[[SlurmRun, random.Random], str]


@dataclass(frozen=True, kw_only=True)
class Blow:
    """A fault that struck, when (seconds since the epoch), and whom it hit."""

    fault: str
    at: float
    hit: str


def strike(run: SlurmRun, name: str, chance: random.Random, *, workers: int = 1) -> Blow:
    """Wait until so many workers have joined, let the sweep train a little, and strike: it must not be over by then."""
    wait_for(lambda: len(joined_workers(run)) >= workers or run.is_over(), f"{workers} workers have joined", 180)
    await_training(run)
    assert not run.is_over(), f"the sweep was over before {name}"
    at = time.time()
    return Blow(fault=name, at=at, hit=FAULTS[name](run, chance))


def await_training(run: SlurmRun, epochs: int = 2) -> None:
    """Wait until so many further epochs have been trained, or the sweep is over."""
    before = epochs_trained(run.path)
    wait_for(lambda: epochs_trained(run.path) >= before + epochs or run.is_over(), "the sweep trains", 180)


def losses(run: SlurmRun, blows: Sequence[Blow]) -> list[str]:
    """What the blows cost, a line each."""
    found = interruptions(run.path)
    lines = []
    for blow in blows:
        own = [each for each in found if _cause(each, blows) is blow]
        seconds = sum(each.seconds for each in own)
        repeated = sum(each.epochs_repeated for each in own)
        cost = f"{len(own)} trials interrupted, {seconds:.0f} s lost, {repeated} epochs repeated"
        lines.append(f"{blow.fault} ({blow.hit}): {cost}")
    return lines


def _cause(stop: Interruption, blows: Sequence[Blow]) -> Blow | None:
    """A trial that could save was told to by the last blow until then; another was ended by the next one."""
    before = [blow for blow in blows if blow.at <= stop.last_sign + TICK_SECONDS]
    after = [blow for blow in blows if blow.at >= stop.last_sign - TICK_SECONDS]
    return next(iter(before[-1:] if stop.saved else after[:1]), None)


def joined_workers(run: SlurmRun) -> list[WorkerRecord]:
    """The workers that are part of the sweep's Ray now."""
    running = run.lab.jobs("RUNNING")
    return [worker for worker in run.files.read_workers() if worker.state == "joined" and worker.job_id in running]


def some_worker(run: SlurmRun, chance: random.Random) -> WorkerRecord:
    """One of the joined workers, of those that train if there are any; waits for one."""
    wait_for(lambda: bool(joined_workers(run)), "a worker has joined", 120)
    joined, busy = joined_workers(run), jobs_at_work(run.path)
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
    return [job.job_id for job in run.files.read_jobs() if job.role == "head"][-1]


def worker_cancelled(run: SlurmRun, chance: random.Random) -> str:
    """Somebody scancels a worker."""
    victim = some_worker(run, chance)
    assert victim.job_id in run.lab.jobs("RUNNING")
    run.lab.run("scancel", victim.job_id)
    return f"worker {victim.job_id} on {victim.node}"


def worker_preempted(run: SlurmRun, chance: random.Random) -> str:
    """A job of a higher partition takes a worker's GPUs; whether with a warning is a matter of the worker's partition.

    The head asks for no GPU and is left alone.
    """
    victim = some_worker(run, chance)
    _preempting_job(run, victim.node)
    wait_for(lambda: victim.job_id not in run.lab.live_jobs(), "the worker is gone", 60)
    return f"worker {victim.job_id} on {victim.node}"


def worker_killed(run: SlurmRun, chance: random.Random) -> str:
    """All processes of a worker's job are killed at once, without any warning (scancel would warn)."""
    victim = some_worker(run, chance)
    processes = worker_processes(run, victim)
    assert "raylet" in _names(processes), "it was a living part of the cluster"
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: victim.job_id not in run.lab.jobs("RUNNING"), "the worker is gone", 60)
    return f"worker {victim.job_id} on {victim.node}"


def worker_requeued(run: SlurmRun, chance: random.Random) -> str:
    """The site requeues a worker, although it asked not to be."""
    victim = some_worker(run, chance)
    run.lab.run("scontrol", "update", f"JobId={victim.job_id}", "Requeue=1")
    run.lab.run("scontrol", "requeue", victim.job_id)
    return f"worker {victim.job_id} on {victim.node}"


def node_crashed(run: SlurmRun, chance: random.Random) -> str:
    """The power of a worker's node is cut; it comes back when Slurm has noticed."""
    victim = some_worker(run, chance)
    processes = worker_processes(run, victim)
    assert "raylet" in _names(processes), "it was a living part of the cluster"
    run.lab.crash_node(victim.node)
    assert not any(is_alive(process) for process in processes)
    time.sleep(5)
    run.lab.start_node(victim.node)
    return f"{victim.node}, worker {victim.job_id}"


def trial_killed(run: SlurmRun, chance: random.Random) -> str:
    """The kernel kills the process of a trial."""
    return _kill_one(run, chance, "SweepTrial")


def driver_killed(run: SlurmRun, chance: random.Random) -> str:
    """The kernel kills the driver in the head's job."""
    return _kill_one(run, chance, "orchestrator.launch.slurm_driver")


def raylet_killed(run: SlurmRun, chance: random.Random) -> str:
    """A worker's part of Ray dies, and its job lives on."""
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
    """An administrator, or a preemption, requeues the head."""
    job = head_job(run)
    assert job in run.lab.jobs("RUNNING")
    run.lab.run("scontrol", "requeue", job)
    return f"head {job}"


def head_lost(run: SlurmRun, chance: random.Random) -> str:
    """The head is killed for good; its user launches again."""
    job = head_job(run)
    assert job in run.lab.jobs("RUNNING")
    run.lab.run("scancel", job)
    wait_for(lambda: job not in run.lab.live_jobs(), "the head is gone", 60)
    run.launch_again()
    return f"head {job}, then launched again: {head_job(run)}"


def controller_restarted(run: SlurmRun, chance: random.Random) -> str:
    """The controller is down for some seconds."""
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
    """SIGKILL to one of the processes with `word` in their command line; waits for one."""
    wait_for(lambda: bool(_job_processes(run, word)), f"{word} runs", 120)
    victim = chance.choice(_job_processes(run, word))
    victim.kill()
    wait_for(lambda: not is_alive(victim), f"{word} is gone", 30)
    return f"process {victim.pid}"


def _names(processes: Sequence[psutil.Process]) -> set[str]:
    """The names of those that still live."""
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
