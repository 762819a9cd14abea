"""What launch and status say of jobs in Slurm's queue; the queue is a fake, the real one is in tests/slurm."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cluster.slurm.queue.queue_monitor
import orchestrator.status.follow_run
from cluster.profile.schema import ClusterProfile, load_profile
from fdt_core.errors import EnvironmentProblem
from lab.sweeps import Place
from orchestrator.cli import app
from orchestrator.launch.outcome import LaunchAction
from orchestrator.launch.prepare import checked, new_launch
from orchestrator.launch.slurm_submit import claim_on_slurm, launch_on_slurm, submit_run, wanted_workers
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import live_owner
from orchestrator.run.launch_record import Launch, LaunchSettings
from tests.cluster.fake_slurm import FakeSlurm, install_fake_slurm
from tests.orchestrator.histories import digits, done, failed, write

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
@pytest.mark.process
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


def profile(place: Place) -> ClusterProfile:
    return load_profile(str(place.directory / "mine.yaml"))


def checked_launch(place: Place, runs: Path) -> Launch:
    launch = new_launch(
        place.directory / "small.yaml",
        runs_dir=runs,
        settings=LaunchSettings(data_directory=str(place.data), profile=False),
    )
    launch.run.create()
    return checked(launch, profile(place))


def test_a_submitted_run_is_frozen_and_left_to_its_head(place: Place, runs: Path, slurm: FakeSlurm) -> None:
    launched = checked_launch(place, runs)
    submitted = submit_run(launched, claim_on_slurm(launched.run), profile(place))
    assert submitted.submission is not None
    assert (submitted.submission.head, submitted.submission.workers) == ("71", ("72",))
    assert launched.run.plan().cells == launched.plan.cells
    assert live_owner(launched.run.driver) is None


def test_no_job_is_submitted_for_a_sweep_with_nothing_left(
    place: Place, runs: Path, slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = checked_launch(place, runs)
    first, *others = launched.plan.cells
    write(launched.run, [failed(first), *(done(cell, digits(place.data)) for cell in others)])
    outcome = launch_on_slurm(launched, claim_on_slurm(launched.run), profile(place), follow=False)
    assert (outcome.action, outcome.exit_code, outcome.jobs) == (LaunchAction.NOTHING_TO_DO, 1, ())
    assert "nothing to do: 3 of 4 trials are done, 1 given up" in capsys.readouterr().err
    assert slurm.queue() == []


def test_no_more_workers_are_wanted_than_the_trials_that_are_left_can_use(place: Place, runs: Path) -> None:
    text = PROFILE.replace("max_workers: 1", "max_workers: 3").replace("cpus_per_node: 2", "cpus_per_node: 4")
    (place.directory / "mine.yaml").write_text(text)
    plan = plan_sweep(place.directory / "small.yaml", ["resources.cpus=2"])
    assert [wanted_workers(plan, profile(place), left) for left in (1, 2, 3, 100)] == [1, 1, 2, 3]
