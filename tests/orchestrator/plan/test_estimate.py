"""What a plan is expected to take, and the guard that refuses too much."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fdt_core.errors import BudgetRefused
from fdt_core.quantities import duration
from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.cells import Cell
from orchestrator.plan.estimate import ASSUMED_MACS_PER_SECOND, as_json, estimate, estimate_lines, refuse_above
from orchestrator.plan.resolve import plan_sweep

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


def test_without_measurements_the_rate_is_assumed_and_said_so(tmp_path: Path) -> None:
    cells = plan_sweep(DEMO).cells
    expected = estimate(cells, "final", tmp_path)
    images = sum(cell.images_to_see for cell in cells)
    macs = sum(3 * cell.cost.macs * cell.images_to_see for cell in cells)
    assert expected.device_hours == pytest.approx(macs / ASSUMED_MACS_PER_SECOND / 3600)
    assert expected.images == images == 12 * 1_437 * (6 + 6)
    assert expected.kept_bytes == 4 * sum(cell.cost.params for cell in cells)
    assert all("nothing measured in this run: assumed 2.0e+12" in basis for basis in expected.basis.values())
    (line,) = (line for line in estimate_lines(expected) if "nothing measured" in line)
    assert line.startswith("            resnet50, vgg19: ")


def measure(folder: Path, cell: Cell, seconds: float, **changes: object) -> Path:
    """Results with one finished trial of `cell` that trained for `seconds`, otherwise as `changes` say."""
    store = ResultsWriter(folder)
    row = {**cell.columns(), "attempt": 1, "status": "done", "train_seconds": seconds, "device_name": "NVIDIA A100"}
    store.append("trials", [row | {"images_per_second": cell.images_to_see / seconds} | changes])
    store.flush()
    return folder


def test_measured_rows_under_the_same_conditions_are_the_basis(tmp_path: Path) -> None:
    cells = [cell for cell in plan_sweep(DEMO).cells if cell.spec.model == "vgg19"]
    expected = estimate(cells, "final", measure(tmp_path, cells[0], 10.0))
    whole = sum(cell.training_macs for cell in cells) / cells[0].training_macs * 10.0
    assert expected.device_hours == pytest.approx(whole / 3600)
    assert expected.basis["vgg19"].startswith("measured in this run ")
    assert "on NVIDIA A100, good to a factor of 1.5" in expected.basis["vgg19"]
    assert expected.device_hours_low == pytest.approx(expected.device_hours / 1.5)
    assert expected.device_hours_high == pytest.approx(expected.device_hours * 1.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 1.0}, "at width 1, not 0.125: "),
        ({"dataset": "cifar10"}, "at dataset cifar10, not digits: "),
        ({"precision": "bf16", "threads": 8}, "at precision bf16, not fp32; threads 8, not 1: "),
        ({"batch_size": 128}, "at batch_size 128, not 40: "),
        ({"compile": True}, "at compile True, not False: "),
    ],
)
def test_rows_measured_under_other_conditions_are_rougher_and_said_to_be(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    cells = [cell for cell in plan_sweep(DEMO).cells if cell.spec.model == "vgg19"]
    expected = estimate(cells, "final", measure(tmp_path, cells[0], 10.0, **changes))
    assert f"measured in this run {said}" in expected.basis["vgg19"]
    assert "good to a factor of 5" in expected.basis["vgg19"]
    assert expected.device_hours_high / expected.device_hours == pytest.approx(5)


def test_a_study_half_measured_says_both(tmp_path: Path) -> None:
    cells = plan_sweep(DEMO, ["overrides=[{where: {seed: 1}, width: 0.25}]", "models=[vgg19]"]).cells
    expected = estimate(cells, "final", measure(tmp_path, cells[0], 10.0))
    assert re.fullmatch(
        r"measured in this run at width 0\.125, not 0\.25: \S+ multiply-accumulates/s on NVIDIA A100, good to a factor "
        r"of 5; measured in this run \S+ multiply-accumulates/s on NVIDIA A100, good to a factor of 1\.5",
        expected.basis["vgg19"],
    )


def test_times_are_in_units_of_people_and_numbers_stay_in_json(tmp_path: Path) -> None:
    debug = estimate(plan_sweep(DEMO.with_name("debug.yaml")).cells, "final", tmp_path)
    (line,) = (line for line in estimate_lines(debug) if line.startswith("  time "))
    assert line == "  time      less than a second on one device"
    assert not re.search(r"\de[-+]?\d", line)
    data = json.loads(json.dumps(as_json(debug)))
    assert 0 < data["device_hours_low"] < data["device_hours"] < data["device_hours_high"] < 1e-3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a second"),
        (0.9, "less than a second"),
        (1, "1.0 seconds"),
        (45, "45 seconds"),
        (99.9, "100 seconds"),
        (101, "1.7 minutes"),
        (5_400, "90 minutes"),
        (6_100, "1.7 hours"),
        (36_000, "10 hours"),
        (4_444_000, "1,200 hours"),
    ],
)
def test_a_duration_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_cells_that_are_one_trial_are_counted_once(tmp_path: Path) -> None:
    cells = plan_sweep(DEMO).cells
    assert estimate([*cells, *cells], "final", tmp_path) == estimate(cells, "final", tmp_path)


def test_the_guard_names_the_hours_and_the_basis(tmp_path: Path) -> None:
    expected = estimate(plan_sweep(DEMO).cells, "final", tmp_path)
    refuse_above(None, expected)
    refuse_above(expected.device_hours, expected)
    with pytest.raises(BudgetRefused, match=r"on one device \(rough: .*\), more than --max-gpu-hours 0 .*assumed"):
        refuse_above(0.0, expected)


@pytest.mark.parametrize(
    ("recipe", "values"), [((), 2), (("optimiser=adamw",), 3), (("ema=0.9",), 3), (("optimiser=adamw", "ema=0.9"), 4)]
)
def test_two_working_checkpoints_hold_weights_their_average_and_the_optimisers_state(
    recipe: tuple[str, ...], values: int, tmp_path: Path
) -> None:
    cells = plan_sweep(DEMO, recipe).cells
    largest = max(cell.cost.params for cell in cells)
    assert estimate(cells, "final", tmp_path).working_bytes == 2 * 4 * values * largest
