"""Whole sweeps on Slurm give the rows of the same sweep run locally, and leave nothing behind."""

import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from cluster.slurm.records import HeadState
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import FDT_SWEEP, SlurmRun, assert_nothing_left
from lab.slurm.waiting import wait_for
from lab.wire_listener import listener, payloads

pytestmark = pytest.mark.slurm


def heard_in_clear(run: SlurmRun, heard: Path) -> set[str]:
    """What somebody who listened to the sweep's nodes could read: the token, and the ids of trials.

    The lab's nodes share an address. What does not leave a real node is left out: its requests to its own agent for
    runtime environments, in plain HTTP.
    """
    trials = pd.read_parquet(run.path / "results" / "trials").trial_id
    within_a_node = (b"POST /get_or_create_runtime_env ", b"POST /delete_runtime_env_if_possible ")
    everything = b"|".join(each for each in payloads(heard) if not each.startswith(within_a_node))
    assert len(everything) > 100_000
    return {word for word in (run.files.token.read_text(), *trials) if word.encode() in everything}


def ran_on(run: SlurmRun) -> set[str]:
    """Slurm's ids of the jobs in which trials ended."""
    return set(pd.read_parquet(run.path / "results" / "trials").slurm_job_id)


def test_three_workers_give_the_rows_of_a_local_run(slurm_run: SlurmRun, local_run: Path) -> None:
    dry = slurm_run.launch("--dry-run")
    assert not slurm_run.path.exists()
    with listener(slurm_run.lab.inside, "lo", slurm_run.directory / "heard"):
        launched_at = time.monotonic()
        printed = slurm_run.launch()
        assert time.monotonic() - launched_at < 5
        assert "submitted: head job" in printed
        assert f"fdt-sweep cancel {slurm_run.path}" in printed
        assert slurm_run.status()["state"] == "waiting"
        submitted = [path.read_text() for path in slurm_run.files.jobs.glob("*_submission.sh")]
        assert len(submitted) == 2
        assert all(script in dry for script in submitted)
        followed = slurm_run.fdt_sweep("status", "--follow")
    assert heard_in_clear(slurm_run, slurm_run.directory / "heard") == set()
    assert "8 done, 0 diverged, 0 failed, 0 left of 8" in followed
    workers = slurm_run.files.read_workers()
    assert len({(worker.node, worker.gpus) for worker in workers}) == 3
    assert all(worker.gpus in ("0", "1") for worker in workers)
    assert ran_on(slurm_run) == {worker.slurm_job_id for worker in workers}
    assert slurm_run.differences(local_run) == []
    assert_nothing_left(slurm_run.lab)
    assert "[8/8]" in slurm_run.fdt_sweep("logs", "head")


@pytest.mark.slow
def test_two_gpus_a_node_and_workers_that_start_late_one_by_one_without_tls(
    slurm_run: SlurmRun, local_run: Path
) -> None:
    lab, heard = slurm_run.lab, slurm_run.directory / "heard"
    for node in ("n2", "n3", "n4"):
        lab.run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        with listener(lab.inside, "lo", heard):
            slurm_run.launch(gpus_per_node=2, tls=False)
            for number, node in enumerate(("n2", "n3"), start=1):
                wait_for(lambda: len(_joined(slurm_run)) == number, f"{number} workers have joined", 90)  # noqa: B023 - is called at once
                lab.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
            slurm_run.fdt_sweep("status", "--follow")
    finally:
        for node in ("n2", "n3", "n4"):
            lab.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
    everything = {slurm_run.files.token.read_text(), *pd.read_parquet(slurm_run.path / "results" / "trials").trial_id}
    assert heard_in_clear(slurm_run, heard) == everything
    workers = slurm_run.files.read_workers()
    assert {worker.gpus for worker in workers} == {"0,1"}
    # Two have joined, see above. Whether the late one gets a trial depends on seconds: warm actors take the next one.
    assert ran_on(slurm_run) <= {worker.slurm_job_id for worker in workers}
    assert slurm_run.differences(local_run) == []
    assert_nothing_left(lab)


def _joined(run: SlurmRun) -> list[str]:
    return [worker.job_id for worker in run.files.read_workers() if worker.joined_at]


@pytest.mark.slow
def test_cancel_in_mid_run_leaves_nothing_and_the_next_launch_finishes(slurm_run: SlurmRun, local_run: Path) -> None:
    slurm_run.launch()
    wait_for(lambda: slurm_run.status()["progress"]["done"] >= 1, "a trial is done", 120)
    answer = slurm_run.fdt_sweep("cancel", "--yes")
    assert answer.startswith("ended 4 jobs")
    assert_nothing_left(slurm_run.lab)
    left = slurm_run.status()["progress"]["left"]
    assert 1 <= left < 8

    # The rest with the head in the first worker's job, as at sites that have GPU partitions only.
    printed = slurm_run.launch("--follow", head={"placement": "first_worker"}, max_workers=2)
    assert "8/8 trials ended" in printed
    assert slurm_run.differences(local_run) == []
    assert slurm_run.status()["progress"]["left"] == 0
    assert "nothing to do" in slurm_run.launch()
    assert_nothing_left(slurm_run.lab)


def test_a_waiting_sweep_can_be_left_and_cancelled_but_not_launched_twice(slurm_run: SlurmRun) -> None:
    lab: SlurmLab = slurm_run.lab
    lab.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        following = lab.popen(*slurm_run.command("--follow"), stderr=subprocess.PIPE)
        assert following.stderr is not None
        wait_for(lambda: "head expected" in following.stderr.readline(), "it follows")  # type: ignore[union-attr]
        psutil.Process(following.pid).children()[0].send_signal(signal.SIGINT)
        assert "stopped watching; the sweep continues. End it with: fdt-sweep cancel" in following.stderr.read()
        assert following.wait() == 0
        assert list(lab.live_jobs().values()) == ["PENDING"] * 4
        plan = (slurm_run.path / "plan.json").read_bytes()
        assert "already launched: its head is job" in slurm_run.launch("--set", "seeds=5", expect=3)
        assert (slurm_run.path / "plan.json").read_bytes() == plan
        assert slurm_run.fdt_sweep("cancel", "--yes").startswith("ended 4 jobs")
    finally:
        lab.run("scontrol", "update", "PartitionName=main", "State=UP")
    assert slurm_run.status()["state"] == "new"
    assert_nothing_left(lab)


def test_any_machine_that_sees_the_files_can_show_and_cancel_the_sweep(slurm_run: SlurmRun) -> None:
    def elsewhere(*arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `fdt-sweep` outside the lab, on a machine without Slurm."""
        environment = slurm_run.lab.environment({"PATH": "/nowhere"})
        return subprocess.run([*FDT_SWEEP, *arguments], env=environment, capture_output=True, text=True, check=False)

    slurm_run.launch("--limit", "2", max_workers=1)
    wait_for(lambda: len(_joined(slurm_run)) == 1, "the worker has joined", 90)
    path = str(slurm_run.path)
    assert "on n1, GPUs 0: joined" in elsewhere("status", path).stdout
    assert "Starting with JobEnvironment" in elsewhere("logs", path, "head").stdout
    asked = elsewhere("cancel", path, "--yes")
    assert asked.returncode == 3
    assert "running jobs are asked by file to save and leave" in asked.stderr
    assert_nothing_left(slurm_run.lab)
    head = slurm_run.files.read_head()
    assert head is not None
    assert head.state == HeadState.CLOSED
