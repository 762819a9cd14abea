"""What clusters do to a sweep costs it time and nothing else: its rows are those of an undisturbed local run."""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cluster.slurm.records import Departure, Role
from lab.slurm.faults import Injection, await_training, costs, head_job, inject, some_worker, worker_processes
from lab.slurm.slurm_lab import SlurmLab, running_lab
from lab.slurm.slurm_runs import LONGER_SWEEP, SlurmRun, assert_nothing_left, run_locally
from lab.slurm.time_lost import interruptions, started_after_drain
from lab.slurm.waiting import wait_for

pytestmark = pytest.mark.slurm

RARE_CHECKPOINTS = LONGER_SWEEP.replace("checkpoint_interval: 0", "checkpoint_interval: 3600")
"""A trial that does not save when it drains starts again."""


@pytest.fixture(scope="session")
def longer_local_run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The longer sweep, run on this machine undisturbed."""
    return run_locally(tmp_path_factory.mktemp("longer"), data, "--no-profile", text=LONGER_SWEEP)


@pytest.fixture
def run(lab: SlurmLab, tmp_path: Path, data: Path) -> SlurmRun:
    """A sweep that is long enough to inject faults into."""
    return SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=LONGER_SWEEP)


def finish(run: SlurmRun, reference: Path, injections: Sequence[Injection]) -> None:
    """Follow the sweep to its end; assert that its rows are right and nothing is left, and print the costs."""
    run.await_end()
    print(*costs(run, injections), sep="\n", file=sys.stderr)
    assert run.differences(reference) == []
    assert sum(started_after_drain(run.path).values()) == 0
    assert_nothing_left(run.lab, after_power_cut=any(injection.is_power_cut for injection in injections))


@pytest.mark.slow
def test_worker_cancelled_worker_preempted_head_requeued_and_sweep_cancelled(
    lab: SlurmLab, tmp_path: Path, data: Path, longer_local_run: Path
) -> None:
    run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=RARE_CHECKPOINTS)
    chance = random.Random(0)
    run.launch("--no-profile")
    faults = ("worker_cancelled", "worker_preempted", "head_requeued")
    injections = [inject(run, name, chance, workers=3) for name in faults]
    await_training(run)
    left = run.status()["progress"]["left"]
    assert run.fdt_sweep("cancel", "--yes").startswith("ended ")
    assert_nothing_left(lab)
    assert left > 0
    assert run.status()["progress"]["left"] > 0

    run.launch_again()
    finish(run, longer_local_run, injections)
    stops = interruptions(run.path)
    assert len(stops) >= 3, "each fault hits a worker that trains; the cancellation may come before any trains again"
    assert [stop for stop in stops if stop.epochs_repeated] == [], "after a warning, at most the current epoch is lost"
    assert len(started_after_drain(run.path)) >= 2
    assert pd.read_parquet(run.path / "results" / "trials").interruptions.sum() >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults", [("raylet_killed", "driver_killed"), ("worker_killed", "node_crashed")], ids="+".join
)
def test_faults_without_warning_cost_what_came_after_the_last_checkpoint(
    run: SlurmRun, longer_local_run: Path, faults: Sequence[str]
) -> None:
    chance = random.Random(1)
    run.launch("--no-profile")
    injections = [inject(run, faults[0], chance)]
    wait_for(lambda: bool(interruptions(run.path)), "the interrupted trial continues", 120)
    injections.append(inject(run, faults[1], chance))
    finish(run, longer_local_run, injections)
    stops = interruptions(run.path)
    assert len(stops) >= 2
    assert all(stop.epochs_repeated <= 1 for stop in stops), "checkpoints are taken at each epoch's end"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "keys"),
    [
        (("worker_preempted", "worker_requeued", "head_lost"), {"partition": "abrupt"}),
        (("head_requeued",), {"head": {"placement": "first_worker"}}),
    ],
    ids=["abrupt", "head_beside_a_worker"],
)
def test_faults_with_a_warning_cost_the_current_epoch(
    lab: SlurmLab, tmp_path: Path, data: Path, longer_local_run: Path, faults: Sequence[str], keys: dict[str, Any]
) -> None:
    chance = random.Random(1)
    run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=RARE_CHECKPOINTS)
    run.launch("--no-profile", **keys)
    injections = [inject(run, name, chance) for name in faults]
    finish(run, longer_local_run, injections)
    stops = interruptions(run.path)
    assert stops
    assert [stop for stop in stops if stop.epochs_repeated] == []


@pytest.mark.slow
def test_a_worker_that_hangs_loses_its_trial_to_another(run: SlurmRun, longer_local_run: Path) -> None:
    run.launch("--no-profile")
    await_training(run)
    victim, suspended_at = some_worker(run, random.Random(1)), time.time()
    for process in worker_processes(run, victim):
        process.suspend()
    finish(run, longer_local_run, [Injection(fault="worker_hung", at=suspended_at, hit=f"worker {victim.job_id}")])
    stops = interruptions(run.path)
    assert stops
    assert all(stop.epochs_repeated <= 1 for stop in stops)


@pytest.mark.slow
def test_a_controller_that_restarts_costs_nothing(run: SlurmRun, longer_local_run: Path) -> None:
    run.launch("--no-profile")
    injection = inject(run, "controller_restarted", random.Random(1))
    finish(run, longer_local_run, [injection])
    assert interruptions(run.path) == []


@pytest.mark.slow
def test_walltimes_of_workers_and_head_with_the_controller_down(run: SlurmRun, longer_local_run: Path) -> None:
    # Each job has 45 s until it drains.
    run.launch("--no-profile", time="00:02:00", drain_seconds=75, head={"cpus": 1, "mem": "2G", "time": "00:02:00"})
    first_head = head_job(run)
    wait_for(run.files.drain.exists, "the head drains", 90)
    run.lab.stop_controller()
    time.sleep(20)  # longer than the driver needs to end: the head must retry to submit its successor
    run.lab.start_controller()
    finish(run, longer_local_run, [])
    heads = [job.job_id for job in run.files.read_jobs() if job.role == Role.HEAD]
    assert heads[0] == first_head
    assert len(heads) >= 2, "the head submitted its successor"
    drained = [worker for worker in run.files.read_workers() if worker.draining_since is not None]
    assert drained
    assert {worker.why for worker in drained} == {Departure.JOB_ENDS}
    stops = interruptions(run.path)
    assert stops
    assert [stop for stop in stops if stop.epochs_repeated] == []


@pytest.mark.slow
def test_with_accounting(tmp_path: Path, data: Path, longer_local_run: Path) -> None:
    with running_lab(accounting=True) as lab:
        run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=LONGER_SWEEP)
        run.launch("--no-profile")
        injection = inject(run, "worker_cancelled", random.Random(2))
        finish(run, longer_local_run, [injection])
        wait_for(lambda: "CANCELLED" in lab.run("sacct", "-nX", "--format=State").stdout, "Slurm has recorded it")


@pytest.mark.slow
def test_a_worker_whose_devices_work_stays_even_if_a_trial_blames_them(
    lab: SlurmLab, tmp_path: Path, data: Path
) -> None:
    model = "'tests.orchestrator.misbehaving:loses_its_device'"
    text = LONGER_SWEEP.replace("[vgg11]", f"[{model}]").replace("[base, c]", "[base]").replace("seeds: 4", "seeds: 1")
    run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=text)
    run.launch("--no-profile", max_workers=1)
    run.await_end()
    trials = pd.read_parquet(run.path / "results" / "trials")
    assert list(trials.failure_kind) == ["device"] * 3
    assert trials.slurm_job_id.nunique() == 1
    assert [worker.draining_since for worker in run.files.read_workers()] == [None]
    assert_nothing_left(lab)
