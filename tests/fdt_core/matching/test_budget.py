"""Which budgets are valid, and the targets they set."""

from fractions import Fraction
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fdt_core.matching.budget import Budget
from fdt_core.networks.cost import Cost

BASE = Cost(params=1000, macs=3000, paper_flops=5001, memory_mb=87.031808, activations=70)


def test_the_default_is_the_base_models_cost_in_the_papers_flops() -> None:
    assert Budget() == Budget(metric="paper_flops", target="base", rule="nearest")
    assert Budget().resolve(BASE) == 5001


@pytest.mark.parametrize("text", ["0.5 x base", "0.5x base", ".5*base", " 0.50 x base "])
def test_a_multiple_of_base_is_exact(text: str) -> None:
    assert Budget(target=text).resolve(BASE) == Fraction(5001, 2)


def test_a_number_is_in_the_metrics_unit() -> None:
    assert Budget(metric="memory_mb", target=17.5).resolve(BASE) == Fraction(35, 2)
    assert Budget(metric="params", target=400).resolve(BASE) == 400


def test_memory_is_matched_exactly() -> None:
    assert Budget(metric="memory_mb").resolve(BASE) == Fraction(87_031_808, 1_000_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "half"},
        {"target": "0 x base"},
        {"target": "-1 x base"},
        {"target": 0},
        {"target": -5.0},
        {"target": float("inf")},
        {"target": True},
        {"metric": "flops"},
        {"rule": "closest"},
        {"rule": "paper", "metric": "macs"},
        {"rule": "paper", "target": "2 x base"},
    ],
)
def test_an_invalid_budget_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Budget(**wrong)


def test_a_budget_is_read_from_a_files_plain_data() -> None:
    read = TypeAdapter(Budget).validate_json('{"metric": "macs", "target": 4e8, "rule": "at_most"}')
    assert read == Budget(metric="macs", target=4e8, rule="at_most")
