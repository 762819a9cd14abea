"""Rounding of filter counts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.scaling import exact, half_even, scaled


def test_a_number_has_the_value_it_is_written_as() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact("1/3") == Fraction(1, 3)
    assert exact(87.031808) == Fraction(87_031_808, 1_000_000)


@pytest.mark.parametrize("text", ["", "one", "nan", "inf"])
def test_text_that_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid literal"):
        exact(text)


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_half_even_rounds_as_python_rounds_the_exact_quotient(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [
        (64, 1.0, 64),
        (64, 0.125, 8),
        (64, 0.3, 19),
        (10, 0.25, 2),
        (30, 0.25, 8),
        (64, 0.001, 1),
        (35, 0.1, 4),
        (25, 0.1, 2),
    ],
)
def test_filters_are_scaled_half_to_even_and_to_at_least_one(filters: int, width: float, expected: int) -> None:
    assert scaled(filters, width) == expected
