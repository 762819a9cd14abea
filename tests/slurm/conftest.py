import os
from collections.abc import Iterator

import pytest

from tests.slurm.lab import SlurmLab, obstacle, running_lab


def require_lab(*, accounting: bool = False) -> None:
    """Skip, with the command that would enable the lab; under CI as root, where it must run, fail instead."""
    why = obstacle(accounting=accounting)
    if why is not None and os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(f"under CI as root the Slurm tests must run: {why}")
    if why is not None:
        pytest.skip(why)


@pytest.fixture(scope="session")
def lab() -> Iterator[SlurmLab]:
    """Four nodes with two fake GPUs each, without accounting, as many sites are."""
    require_lab()
    with running_lab() as running:
        yield running
