"""Amounts, counts and short lists as messages show them."""

import pytest

from fdt_core.quantities import about, counted, duration, listed, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "less than a second"),
        (1, "1.0 seconds"),
        (45, "45 seconds"),
        (99.4, "99 seconds"),
        (100, "1.7 minutes"),
        (6000, "1.7 hours"),
        (4_320_000, "1,200 hours"),
    ],
)
def test_durations_have_two_figures_and_a_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert about(seconds) == (text if seconds < 1 else f"about {text}")


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (12_345_678, "12.3 MB"), (2e15, "2e+03 TB")])
def test_sizes_are_in_decimal_units(count: float, text: str) -> None:
    assert size(count) == text


def test_counts_agree_with_their_noun() -> None:
    assert [counted(count, "row") for count in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_long_lists_are_cut_short() -> None:
    assert listed([]) == ""
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert listed(["a", "b", "c"], limit=1) == "a and 2 more"
