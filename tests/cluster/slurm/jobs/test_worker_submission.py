"""How many workers are submitted under Slurm's limits, with a Slurm in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.worker_job import run_worker
from cluster.slurm.jobs.worker_submission import submit_allowed_workers, submit_workers
from cluster.slurm.records import Role, SlurmLaunch
from cluster.slurm.submission.submit import JobRequest
from fdt_core.errors import EnvironmentProblem
from tests.cluster.slurm.fakes import FakeQueue, launched

LIMIT = "sbatch refused the worker job: QOSMaxSubmitJobPerUserLimit"


@dataclass
class Sbatch:
    """Accepts up to `room` jobs, and refuses a request for more as a whole."""

    room: int
    refusal: str = LIMIT
    requests: list[JobRequest] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def __call__(self, files: SlurmFiles, launch: SlurmLaunch, request: JobRequest) -> list[str]:
        if request.count > self.room:
            self.refused.append(request.count)
            raise EnvironmentProblem(self.refusal)
        self.room -= request.count
        self.requests.append(request)
        return [f"{len(self.requests)}_{task}" for task in range(request.count)]

    def counts(self) -> list[int]:
        return [request.count for request in self.requests]


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    return SlurmFiles(tmp_path / "slurm")


def test_a_worker_is_told_its_profile_and_avoids_nodes(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=10)
    launch = launched(files, name="site")
    assert submit_workers(files, launch, count=2, avoid={"n2", "n1"}, slurm=FakeQueue(), submit=sbatch) == [
        "1_0",
        "1_1",
    ]
    (request,) = sbatch.requests
    assert (request.role, request.function, request.arguments) == (Role.WORKER, run_worker, ("site",))
    assert request.options == {"exclude": "n1,n2"}
    submit_workers(files, launch, count=1, slurm=FakeQueue(), submit=sbatch)
    assert sbatch.requests[-1].options == {}


def test_job_arrays_are_no_longer_than_slurm_allows(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=100)
    assert len(submit_workers(files, launched(files), count=8, slurm=FakeQueue(longest=3), submit=sbatch)) == 8
    assert sbatch.counts() == [3, 3, 2]


def test_jobs_accepted_before_a_refusal_are_returned(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=5)
    assert submit_workers(files, launched(files), count=8, slurm=FakeQueue(longest=3), submit=sbatch) == [
        *("1_0", "1_1", "1_2")
    ]


def test_a_first_refusal_is_raised(files: SlurmFiles) -> None:
    with pytest.raises(EnvironmentProblem, match="QOSMaxSubmit"):
        submit_workers(files, launched(files), count=2, slurm=FakeQueue(), submit=Sbatch(room=1))


def test_a_limit_on_jobs_halves_the_request_until_slurm_accepts(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=3)
    assert len(submit_allowed_workers(files, launched(files), count=8, slurm=FakeQueue(), submit=sbatch)) == 2
    assert sbatch.refused == [8, 4]


def test_a_limit_that_allows_no_job_is_raised(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=0)
    with pytest.raises(EnvironmentProblem, match="QOSMaxSubmit"):
        submit_allowed_workers(files, launched(files), count=8, slurm=FakeQueue(), submit=sbatch)
    assert sbatch.refused == [8, 4, 2, 1]


def test_a_refusal_for_another_reason_is_not_retried(files: SlurmFiles) -> None:
    sbatch = Sbatch(room=0, refusal="sbatch refused the worker job: Invalid account")
    with pytest.raises(EnvironmentProblem, match="Invalid account"):
        submit_allowed_workers(files, launched(files), count=8, slurm=FakeQueue(), submit=sbatch)
    assert sbatch.refused == [8]
