"""What doctor makes of Slurm's answers; tests/slurm asks a real Slurm."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.doctor.findings import Finding, State
from cluster.doctor.slurm import Waiting, examine_node, examine_slurm, submit_test
from cluster.profile.schema import ClusterProfile, load_profile
from cluster.slurm.files import SlurmFiles
from tests.cluster.fake_slurm import FakeSlurm


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A scratch directory whose path is short enough for Ray."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as name:
        yield Path(name)


def profile(**keys: object) -> ClusterProfile:
    return load_profile("slurm", {"device": "cpu", "gpus_per_node": 0, "cpus_per_node": 1, **keys})


def further_profile(folder: Path, **keys: object) -> str:
    path = folder / "further.yaml"
    path.write_text("kind: slurm\ndevice: cpu\n" + "".join(f"{key}: {value}\n" for key, value in keys.items()))
    return str(path)


class Nodes:
    """Time that passes only while somebody waits, and what happens on the nodes meanwhile."""

    def __init__(self, happens: Callable[[Path], None] = lambda _directory: None) -> None:
        self.now = 0.0
        self._happens = happens
        self._runs = Path()

    def findings(self, profile: ClusterProfile, runs: Path, patience: float = 60) -> list[Finding]:
        """All findings of test jobs with runs below `runs`."""
        self._runs = runs
        return list(submit_test(profile, runs, Waiting(patience=patience, clock=self._clock, sleep=self._sleep)))

    def _clock(self) -> float:
        return self.now

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        (directory,) = self._runs.glob(".doctor-*")
        self._happens(directory)


def nothing_is_left(runs: Path, slurm: FakeSlurm) -> bool:
    return slurm.queue() == [] and list(runs.iterdir()) == []


def test_slurm_itself_judges_the_jobs_and_none_is_submitted(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    found = list(examine_slurm(profile(), tmp_path / "runs"))
    assert [finding.check for finding in found] == ["slurm", "head job", "worker job"]
    assert {finding.state for finding in found} == {State.OK}
    assert found[0].found == "slurm 23.11.4, 0 jobs of yours queued"
    assert found[1].found.startswith("Job 1 to start at 2030-01-01")
    assert fake_slurm.queue() == []
    assert not (tmp_path / "runs").exists()


def test_the_workers_of_every_profile_are_judged_but_one_head(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    also = further_profile(tmp_path, partition="other")
    found = examine_slurm(profile(also=[also]), tmp_path / "runs")
    assert [finding.check for finding in found] == ["slurm", "head job", "worker job", "worker job"]


def test_a_machine_without_slurm_is_no_login_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = examine_slurm(profile(), tmp_path / "runs")
    assert (finding.check, finding.state) == ("slurm", State.PROBLEM)
    assert "no Slurm on this machine" in finding.found
    assert "login node" in finding.fix


def test_a_job_that_slurm_would_refuse_is_a_problem_with_the_known_partitions(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    refuses = "#!/bin/sh\n[ $1 = --version ] && exec echo slurm 23.11.4\necho 'Invalid partition' >&2; exit 1\n"
    (fake_slurm.folder / "sbatch").write_text(refuses)
    fake_slurm.answers(partitions="main\nhigh\n")
    _, head, worker = examine_slurm(profile(partition="mian"), tmp_path / "runs")
    assert head.state == worker.state == State.PROBLEM
    assert "Invalid partition" in worker.found
    assert "(partitions: high, main)" in worker.fix


def test_a_test_job_reports_what_it_finds_on_its_node(
    tmp_path: Path, scratch: Path, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "n7")
    tested, runs = profile(partition="main", scratch=str(scratch)), tmp_path / "runs"
    job, *inside = Nodes(lambda directory: examine_node(str(directory / "slurm"), str(runs), tested)).findings(
        tested, runs
    )
    assert job == Finding(check="test job", state=State.OK, found="job 71 ran on n7 in partition main")
    by_check = {finding.check: finding for finding in inside}
    assert all(check.startswith("n7: ") for check in by_check)
    assert by_check["n7: device"] == Finding(check="n7: device", state=State.OK, found="the profile asks for none")
    assert nothing_is_left(runs, fake_slurm)


def test_a_test_job_that_ends_without_a_report_shows_its_last_lines(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    def fails(directory: Path) -> None:
        SlurmFiles(directory / "slurm").output("71").write_text("module: command not found\nno python\n")
        fake_slurm.answers(queue="")

    (finding,) = Nodes(fails).findings(profile(), tmp_path)
    assert finding.state == State.PROBLEM
    assert finding.found == (
        "job 71 in the default partition ended without a report: module: command not found / no python"
    )
    assert "`setup`" in finding.fix


def test_a_test_job_that_waits_too_long_is_cancelled(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    nodes = Nodes()
    (finding,) = nodes.findings(profile(), tmp_path / "runs", patience=5)
    assert nodes.now == 5
    assert finding.state == State.WARNING
    assert finding.found == "job 71 in the default partition did not end in time (PENDING: Priority)"
    assert "--patience" in finding.fix
    assert nothing_is_left(tmp_path / "runs", fake_slurm)


def test_a_refused_test_job_is_a_problem(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    fake_slurm.answers(status="1", answer="", complaint="sbatch: error: no such account\n")
    (finding,) = Nodes().findings(profile(partition="main"), tmp_path)
    assert (finding.check, finding.state) == ("test job", State.PROBLEM)
    assert finding.found.startswith("in partition main: ")
    assert "no such account" in finding.found


@pytest.mark.parametrize(
    ("head", "partitions"),
    [
        ({}, ["main", "other"]),
        ({"partition": "other"}, ["main", "other"]),
        ({"partition": "cpu"}, ["main", "other", "cpu"]),
        ({"partition": "cpu", "placement": "first_worker"}, ["main", "other"]),
    ],
    ids=["head beside the workers", "head in a worker's partition", "head elsewhere", "head in a worker's job"],
)
def test_one_job_is_run_for_each_kind_of_job(
    tmp_path: Path, fake_slurm: FakeSlurm, head: dict[str, str], partitions: list[str]
) -> None:
    keys = {f"head.{key}": value for key, value in head.items()}
    tested = profile(partition="main", also=[further_profile(tmp_path, partition="other")], **keys)
    found = Nodes().findings(tested, tmp_path / "runs", patience=0)
    assert [finding.found.split("partition ")[1].split()[0] for finding in found] == partitions
