"""One trial of a sweep, trained in this process without Ray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from orchestrator.cli.set_options import split_settings
from orchestrator.launch.one_trial import choose_trial, run_alone
from orchestrator.plan.resolve import plan_sweep

DEBUG = Path(__file__).parents[3] / "sweeps" / "debug.yaml"


def test_a_trial_is_chosen_by_the_first_letters_of_its_id(tmp_path: Path) -> None:
    plan = plan_sweep(DEBUG, ["seeds=3"], tmp_path)
    last = plan.cells[-1]
    assert choose_trial(plan, last.trial_id[:8]) == last
    assert choose_trial(plan, "") == plan.cells[0]
    with pytest.raises(UsageError, match="zzz"):
        choose_trial(plan, "zzz")


def test_what_it_compiles_is_private_and_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHINDUCTOR_CACHE_DIR", "OMP_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):
        monkeypatch.setenv(name, "7")
    settings = split_settings(["epochs=1", "width=0.03125"])[0]
    cell = choose_trial(plan_sweep(DEBUG, settings, tmp_path), "")
    seen = []

    def say(line: str) -> None:
        place = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent
        seen.append((place, place.stat().st_mode & 0o777, os.environ["TORCHINDUCTOR_COMPILE_THREADS"]))

    row = run_alone(cell, tmp_path, "cpu", say)
    assert row["status"] == "done"
    ((place, mode, threads),) = set(seen)
    assert (mode, threads) == (0o700, str(cell.spec.threads))
    assert not place.exists()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "7"
