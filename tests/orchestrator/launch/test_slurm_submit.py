"""What launch and status say of jobs in Slurm's queue; the queue is a fake, the real one is in tests/slurm."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import cluster.slurm.queue.queue_monitor
import orchestrator.status.follow_run
from fdt_core.errors import EnvironmentProblem
from lab.sweeps import Place
from orchestrator.cli import app
from tests.cluster.fake_slurm import FakeSlurm, install_fake_slurm

PROFILE = "{kind: slurm, device: cpu, cpus_per_node: 2, mem: 4G, max_workers: 1, head: {mem: 2G}}\n"
Command = Callable[..., Result]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setattr(cluster.slurm.queue.queue_monitor, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(orchestrator.status.follow_run, "_POLL_SECONDS", 0.01)
    return install_fake_slurm(tmp_path / "fake slurm", monkeypatch)


@pytest.fixture
def runs(place: Place) -> Path:
    """The runs directory, with a space in its path."""
    (place.directory / "mine.yaml").write_text(PROFILE)
    return place.directory / "my runs"


def launch(place: Place, runs: Path, *arguments: str) -> Result:
    options = ["--runs-dir", str(runs), "--data-dir", str(place.data), "--cluster", str(place.directory / "mine.yaml")]
    return CliRunner().invoke(app, ["launch", str(place.directory / "small.yaml"), *options, *arguments])


def status(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["status", str(runs / "small"), *arguments])


def test_launch_and_status_say_why_jobs_wait(place: Place, runs: Path, slurm: FakeSlurm) -> None:
    slurm.answers(reason="PartitionTimeLimit")
    why = "will not start: PartitionTimeLimit: `time` in the profile is longer than the partition allows"
    launched = launch(place, runs)
    assert launched.exit_code == 0, launched.output
    assert f"head 71 {why}" in launched.output
    assert f"worker 72 {why}" in launched.output
    assert f"head 71 {why}" in status(runs).output
    again = launch(place, runs)
    assert isinstance(again.exception, EnvironmentProblem)
    assert "its head is job 71 (pending: PartitionTimeLimit); it will not start by itself" in str(again.exception)
    assert slurm.queue() == ["71", "72"]


def test_commands_that_are_printed_can_be_pasted(place: Place, runs: Path, slurm: FakeSlurm) -> None:
    lines = launch(place, runs).output.splitlines()
    printed = [shlex.split(line.partition(":")[2]) for line in lines if "fdt-sweep" in line]
    assert [words[:3] for words in printed] == [
        ["fdt-sweep", command, str(runs / "small")] for command in ("status", "logs", "cancel")
    ]


@pytest.mark.parametrize("follow", ["launch --wait", "status --follow"])
def test_a_head_that_died_before_python_began_ends_the_following(
    place: Place, runs: Path, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, follow: str
) -> None:
    def jobs_are_over(_self: object) -> list[object]:
        slurm.answers(queue="")
        output = runs / "small" / "slurm" / "jobs" / "71_0_log.out"
        output.write_text("/bin/bash: line 3: module: command not found\n")
        return original(_self)  # type: ignore[arg-type, return-value]  # what is replaced here

    original = cluster.slurm.queue.queue_monitor.QueueMonitor.jobs
    if follow == "launch --wait":
        monkeypatch.setattr(cluster.slurm.queue.queue_monitor.QueueMonitor, "jobs", jobs_are_over)
        followed = launch(place, runs, "--wait")
    else:
        launch(place, runs)
        monkeypatch.setattr(cluster.slurm.queue.queue_monitor.QueueMonitor, "jobs", jobs_are_over)
        followed = status(runs, "--follow")
    assert followed.exit_code == 3, followed.output
    assert "the head's job 71 has left Slurm's queue without a word" in followed.output
    assert "module: command not found" in followed.output


def test_a_banner_and_strange_names_stop_no_command(place: Place, runs: Path, slurm: FakeSlurm) -> None:
    slurm.answers(notice="Maintenance tonight\n", queue=b"5|5|RUNNING|None|f\xfcr\n6|6|PENDING|Priority|a\nb|c\n")
    assert launch(place, runs).exit_code == 0
    assert "head 71 waits: Priority" in status(runs).output
    slurm.answers(answer="bye\n")
    cancelled = CliRunner().invoke(app, ["cancel", str(runs / "small"), "--yes"])
    assert cancelled.exit_code == 0, cancelled.output
    assert "ended 2 jobs: 71, 72" in cancelled.output
