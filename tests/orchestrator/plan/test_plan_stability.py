"""A plan and its trial_ids follow what a sweep file says, not how it is written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.resolve import plan_sweep

STUDY: dict[str, Any] = {
    "name": "stable",
    "models": ["vgg11", "resnet18"],
    "width": 0.125,
    "templates": [
        "base",
        "d",
        {"name": "late_bulge", "points": [[0, 0], [0.7, 1], [1, 0]]},
        {"name": "by_hand", "widths": [8, 9, 10, 11, 12, 13, 14, 15]},
    ],
    "datasets": ["digits"],
    "seeds": [0, 7],
    "budget": {"metric": "macs", "target": "1.5 x base", "rule": "at_most"},
    "recipe": {"base": "quick", "learning_rate": 0.05, "epochs": 3},
    "vary": {"momentum": [0.9, 0.8], "flip": [True, False]},
    "overrides": [{"where": {"model": "vgg*"}, "recipe": {"weight_decay": 1e-4}}],
}

FORMATS: tuple[Callable[[Any], str], ...] = (
    lambda data: json.dumps(data, indent=1),
    lambda data: yaml.safe_dump(data, sort_keys=False),
    lambda data: yaml.safe_dump(data, sort_keys=False, default_flow_style=True, width=40),
    lambda data: "# a comment\n\n" + yaml.safe_dump(data, sort_keys=False, indent=8, explicit_start=True),
)


@st.composite
def reordered(draw: st.DrawFn, data: Any = STUDY) -> Any:
    """The same data with the keys of all mappings in another order."""
    if isinstance(data, Mapping):
        keys = draw(st.permutations(list(data)))
        return {key: draw(reordered(data[key])) for key in keys}
    if isinstance(data, list):
        return [draw(reordered(item)) for item in data]
    return data


def planned(text: str) -> SweepPlan:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stable.yaml"
        file.write_text(text, encoding="utf-8")
        return plan_sweep(file)


@settings(max_examples=12, deadline=None)
@given(reordered(), st.sampled_from(FORMATS))
@pytest.mark.study
def test_a_plan_does_not_depend_on_the_order_of_keys_or_the_format(data: Any, written: Callable[[Any], str]) -> None:
    plan = planned(written(data))
    assert plan == planned(json.dumps(STUDY))
    assert len({cell.trial_id for cell in plan.cells}) == 16 * 4


@pytest.mark.parametrize("axis", ["models", "templates", "seeds"])
def test_the_order_of_an_axis_changes_no_trial(axis: str) -> None:
    def trials(study: Mapping[str, Any]) -> dict[str, tuple[int | None, float]]:
        return {cell.trial_id: (cell.n, cell.budget_error) for cell in planned(json.dumps(study)).cells}

    assert trials(STUDY | {axis: STUDY[axis][::-1]}) == trials(STUDY)
