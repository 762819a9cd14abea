"""Rounding to the digits shown: to the nearest, or as in the paper."""

from decimal import Decimal

import pytest

from analysis.rounding import Rounding, rounding
from fdt_core.errors import UsageError

TRUNCATED = Rounding(truncate=True)


@pytest.mark.parametrize(
    ("value", "decimals", "nearest", "truncated"),
    [
        (20.035018, 2, "20.04", "20.03"),
        (0.125, 2, "0.12", "0.12"),
        (-1.67, 1, "-1.7", "-1.6"),
        (-0.004, 2, "0.00", "0.00"),
        (1e-9, 2, "0.00", "0.00"),
        (123456789.0, 1, "123456789.0", "123456789.0"),
    ],
)
def test_cutting(value: float, decimals: int, nearest: str, truncated: str) -> None:
    assert str(Rounding().cut(value, decimals)) == nearest
    assert str(TRUNCATED.cut(value, decimals)) == truncated


def test_noise_of_binary_arithmetic_is_not_truncated() -> None:
    noisy = (94.7 + 94.8 + 94.9) / 3 - 1e-14
    assert str(TRUNCATED.cut(noisy, 2)) == "94.80"


def test_nan_has_no_digits() -> None:
    assert Rounding().cut(float("nan"), 2) is None


def test_percentages_come_from_the_exact_numbers_or_from_those_shown() -> None:
    """VGG19 with template e and ResNet50 with c: two of the cells that reveal how the paper computed them."""
    assert TRUNCATED.percent_from(2.066849, 20.035018, 2) == Decimal("-89.6")
    assert rounding("paper").percent_from(2.066849, 20.035018, 2) == Decimal("-89.7")
    assert TRUNCATED.percent_from(3.481238, 23.520842, 2) == Decimal("-85.1")
    assert rounding("paper").percent_from(3.481238, 23.520842, 2) == Decimal("-85.2")


def test_a_base_of_zero_has_no_percentage() -> None:
    assert Rounding().percent_from(1.0, 0.0, 2) is None


def test_an_unknown_rounding_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="known: nearest, truncate, paper"):
        rounding("up")
