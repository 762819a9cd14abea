from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.fake_slurm import FakeSlurm, install_fake_slurm


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Programs in place of Slurm's commands."""
    return install_fake_slurm(tmp_path / "fake slurm", monkeypatch)
