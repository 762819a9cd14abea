"""The variables that steer Ray Tune, checked against the installed Ray."""

from __future__ import annotations

import logging
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.ray_node import ray_environment
from orchestrator.tune.environment import TUNE_SETTINGS, quiet_tune


@cache
def modules_of_ray() -> dict[str, str]:
    """Sources of the installed Ray, by path inside the package."""
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = (path for room in ("tune", "train", "air", "_private") for path in (root / room).rglob("*.py"))
    return {str(path.relative_to(root)): path.read_text(errors="replace") for path in files}


def readers(variable: str) -> set[str]:
    """Modules of the installed Ray that mention a variable."""
    return {path for path, source in modules_of_ray().items() if variable in source}


@pytest.mark.parametrize("variable", sorted(TUNE_SETTINGS))
def test_only_the_driver_reads_a_setting_of_tune(variable: str) -> None:
    found = readers(variable)
    assert found, "this Ray does not know the variable"
    assert not {path for path in found if path.startswith(("tune/trainable", "_private"))}


def test_a_trial_reads_whether_to_change_its_directory_so_every_node_sets_it(tmp_path: Path) -> None:
    assert "tune/trainable/trainable.py" in readers("RAY_CHDIR_TO_TRIAL_DIR")
    environment = ray_environment(ensure_token(tmp_path / "token"), {})
    assert environment["RAY_CHDIR_TO_TRIAL_DIR"] == "0"
    assert not set(environment) & set(TUNE_SETTINGS)


def test_a_round_queues_as_many_trials_as_there_are_slots_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "auto")
    logger = logging.getLogger("ray.tune")
    before = logger.level
    with quiet_tune(3):
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "3"
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == before
