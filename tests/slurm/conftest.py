import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.slurm.requirements import obstacle
from lab.slurm.slurm_lab import SlurmLab, running_lab
from lab.slurm.slurm_runs import SlurmRun, run_locally


def require_lab(*, accounting: bool = False) -> None:
    """Skip with the command that would enable the lab; under CI as root, where it must run, fail instead."""
    why = obstacle(accounting=accounting)
    if why is not None and os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(f"under CI as root the Slurm tests must run: {why}")
    if why is not None:
        pytest.skip(why)


@pytest.fixture(scope="session")
def lab() -> Iterator[SlurmLab]:
    """Four nodes with two fake GPUs each, without accounting, as at many sites."""
    require_lab()
    with running_lab() as running:
        yield running


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, shared by all sweeps of the session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def local_run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The run directory of the same sweep, run on this machine undisturbed."""
    return run_locally(tmp_path_factory.mktemp("local"), data)


@pytest.fixture
def slurm_run(lab: SlurmLab, tmp_path: Path, data: Path) -> SlurmRun:
    """A sweep for one test."""
    return SlurmRun(lab=lab, directory=tmp_path, data=data)
