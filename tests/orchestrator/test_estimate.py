"""What a plan is expected to take, and the guard that refuses too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.errors import BudgetRefused
from fdt_core.results.writer import ResultsWriter
from orchestrator.estimate import ASSUMED_MACS_PER_SECOND, estimate, refuse_above
from orchestrator.plan import plan_sweep

DEMO = Path(__file__).parents[2] / "sweeps" / "demo.yaml"


def test_without_measurements_the_rate_is_assumed_and_said_so(tmp_path: Path) -> None:
    cells = plan_sweep(DEMO).cells
    expected = estimate(cells, "final", tmp_path)
    images = sum(cell.images_to_see for cell in cells)
    macs = sum(3 * cell.cost.macs * cell.images_to_see for cell in cells)
    assert expected.device_hours == pytest.approx(macs / ASSUMED_MACS_PER_SECOND / 3600)
    assert expected.images == images == 12 * 1_437 * (6 + 6)
    assert expected.kept_bytes == 4 * sum(cell.cost.params for cell in cells)
    assert all(basis.startswith("assumed") for basis in expected.basis.values())


def test_measured_rows_of_the_same_model_are_the_basis(tmp_path: Path) -> None:
    cells = [cell for cell in plan_sweep(DEMO).cells if cell.spec.model == "vgg19"]
    store = ResultsWriter(tmp_path)
    seconds = 10.0
    row = {**cells[0].columns(), "attempt": 1, "status": "done", "train_seconds": seconds}
    store.append("trials", [row | {"images_per_second": cells[0].images_to_see / seconds}])
    store.flush()
    expected = estimate(cells, "final", tmp_path)
    whole = sum(cell.training_macs for cell in cells) / cells[0].training_macs * seconds
    assert expected.device_hours == pytest.approx(whole / 3600)
    assert expected.basis["vgg19"].startswith("measured")


def test_cells_that_are_one_trial_are_counted_once(tmp_path: Path) -> None:
    cells = plan_sweep(DEMO).cells
    assert estimate([*cells, *cells], "final", tmp_path) == estimate(cells, "final", tmp_path)


def test_the_guard_names_the_hours_and_the_basis(tmp_path: Path) -> None:
    expected = estimate(plan_sweep(DEMO).cells, "final", tmp_path)
    refuse_above(None, expected)
    refuse_above(expected.device_hours, expected)
    with pytest.raises(BudgetRefused, match=r"device-hours, more than --max-gpu-hours 0 .*assumed"):
        refuse_above(0.0, expected)
