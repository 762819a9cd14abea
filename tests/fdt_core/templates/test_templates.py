"""Templates: the paper's, piecewise linear ones, explicit widths, and custom ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.errors import UsageError
from fdt_core.networks.architectures import architecture
from fdt_core.templates import (
    BUILT_IN_TEMPLATES,
    ExplicitWidths,
    Piecewise,
    Template,
    TemplateRegistry,
    Uniform,
    template,
    template_names,
)

BASE = (64, 128, 256, 512)

# The filters of the paper's networks, element by element.
PAPER_FILTERS = {
    ("vgg19", "a", 585): "64 99 133 168 203 238 272 307 342 377 411 446 481 516 550 585",
    ("vgg19", "b", 153): " ".join(["153"] * 16),
    ("vgg19", "c", 165): "165 158 152 145 138 131 125 118 111 104 98 91 84 77 71 64",
    ("vgg19", "d", 390): "64 105 146 186 227 268 308 349 390 343 297 250 204 157 111 64",
    ("vgg19", "e", 175): "175 161 147 133 120 106 92 78 64 80 96 112 127 143 159 175",
    ("resnet50", "a", 355): (
        "64 73 83 92 102 111 120 130 139 148 158 167 177 186 195 205 "
        "214 224 233 242 252 261 271 280 289 299 308 317 327 336 346 355"
    ),
    ("resnet50", "b", 123): " ".join(["123"] * 32),
    ("resnet50", "c", 134): (
        "134 132 129 127 125 123 120 118 116 114 111 109 107 105 102 100 "
        "98 96 93 91 89 87 84 82 80 78 75 73 71 69 66 64"
    ),
    ("resnet50", "d", 252): (
        "64 76 88 99 111 123 134 146 158 170 182 193 205 217 228 240 "
        "252 239 227 214 202 189 177 164 152 139 127 114 102 89 77 64"
    ),
    ("resnet50", "e", 144): (
        "144 139 134 129 124 119 114 109 104 99 94 89 84 79 74 69 "
        "64 69 75 80 85 91 96 101 107 112 117 123 128 133 139 144"
    ),
}


@pytest.mark.parametrize(("model", "name", "n"), PAPER_FILTERS)
def test_the_papers_filters_are_reproduced_element_by_element(model: str, name: str, n: int) -> None:
    expected = tuple(map(int, PAPER_FILTERS[model, name, n].split()))
    assert template(name).widths(architecture(model).base_widths, n) == expected


def test_base_keeps_the_models_base_filters() -> None:
    assert template("base").widths(BASE, None) == BASE
    assert template("base").least_n(BASE) is None


def height_in_the_paper(name: str, slot: int, slots: int) -> Fraction:
    """The definition written out: h is the middle slot, the deeper one of two."""
    h, last = slots // 2, slots - 1
    bulge = Fraction(slot, h) if slot <= h else Fraction(last - slot, last - h)
    return {"a": Fraction(slot, last), "c": 1 - Fraction(slot, last), "d": bulge, "e": 1 - bulge}[name]


@given(st.sampled_from("acde"), st.integers(2, 120), st.integers(1, 200), st.integers(0, 3000))
def test_the_papers_templates_follow_their_definition_at_any_depth(
    name: str, slots: int, least: int, rise: int
) -> None:
    base = (least,) * slots
    expected = tuple(round(least + rise * height_in_the_paper(name, slot, slots)) for slot in range(slots))
    assert template(name).widths(base, least + rise) == expected


@given(st.sampled_from("acde"), st.lists(st.integers(1, 2048), min_size=2, max_size=120), st.integers(0, 3000))
def test_the_thinnest_layer_keeps_the_minimum_and_the_widest_has_n(name: str, base: list[int], rise: int) -> None:
    n = min(base) + rise
    widths = template(name).widths(tuple(base), n)
    assert (min(widths), max(widths)) == (min(base), n)


def test_only_uniform_ignores_the_minimum() -> None:
    assert {name: template(name).least_n(BASE) for name in "abcde"} == {"a": 64, "b": 1, "c": 64, "d": 64, "e": 64}
    assert Uniform(name="b").widths(BASE, 3) == (3, 3, 3, 3)


@st.composite
def piecewise_descriptions(draw: st.DrawFn) -> dict[str, object]:
    """Any valid piecewise template as in a sweep file, with numbers of up to three decimals."""
    inner = draw(st.lists(st.integers(1, 999), max_size=5, unique=True))
    positions = [0, *sorted(inner), 1000]
    heights = draw(st.lists(st.integers(0, 1000), min_size=len(positions), max_size=len(positions)).filter(any))
    points = [[position / 1000, height / 1000] for position, height in zip(positions, heights, strict=True)]
    return {"name": "mine", "points": points}


@given(piecewise_descriptions(), st.lists(st.integers(1, 600), min_size=1, max_size=60), st.integers(0, 2000))
def test_a_custom_template_rounds_the_line_between_its_points(
    description: dict[str, list[list[float]]], base: list[int], rise: int
) -> None:
    least, last = min(base), max(len(base) - 1, 1)
    points = description["points"]
    widths = template(description).widths(tuple(base), least + rise)
    for slot, width in enumerate(widths):
        right = next(i for i in range(1, len(points)) if slot / last <= points[i][0])
        (x0, y0), (x1, y1) = points[right - 1], points[right]
        assert math.isclose(width, least + rise * (y0 + (y1 - y0) * (slot / last - x0) / (x1 - x0)), abs_tol=0.5 + 1e-6)


@given(piecewise_descriptions(), st.integers(1, 60), st.integers(1, 500), st.integers(0, 2000))
def test_no_slot_loses_filters_when_n_rises(description: Mapping[str, object], slots: int, least: int, n: int) -> None:
    found, base = template(description), (least,) * slots
    assert all(a <= b for a, b in zip(found.widths(base, least + n), found.widths(base, least + n + 1), strict=True))


def test_halves_are_rounded_to_even_on_the_exact_value() -> None:
    # Heights 0.1 and 0.3 of a rise of 5 are 0.5 and 1.5 exactly, though not in binary arithmetic (5 * 0.3 < 1.5).
    found = template({"name": "mine", "points": [[0, 0.1], [0.5, 0.3], [1, 1]]})
    assert found.widths((64, 64, 64), 69) == (64, 66, 69)


@given(piecewise_descriptions())
def test_a_template_does_not_depend_on_how_its_numbers_are_written(description: dict[str, list[list[float]]]) -> None:
    as_text = [[f"{position:.4f}", f"{height:.4e}"] for position, height in description["points"]]
    assert template(description) == template({"points": as_text, "name": "mine"})


def test_thirds_can_be_written_exactly() -> None:
    found = template({"name": "mine", "points": [[0, 0], ["1/3", 1], [1, "2/3"]]})
    assert isinstance(found, Piecewise)
    assert found.heights(4) == (Fraction(0), Fraction(1), Fraction(5, 6), Fraction(2, 3))


def test_explicit_widths_are_taken_as_they_are() -> None:
    found = template({"name": "mine", "widths": [7, 5, 3, 1]})
    assert found == ExplicitWidths(name="mine", filters=(7, 5, 3, 1))
    assert found.widths(BASE, None) == (7, 5, 3, 1)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"points": [[0, 0], [1, 1]]}, "an inline template needs a name of letters, digits"),
        ({"name": "two words", "points": [[0, 0], [1, 1]]}, "needs a name of letters.*not 'two words'"),
        ({"name": "x"}, "template 'x': give either points"),
        ({"name": "x", "points": [[0, 0], [1, 1]], "widths": [1]}, "give either points"),
        ({"name": "x", "point": [[0, 0], [1, 1]]}, "unknown key 'point'; did you mean 'points'"),
        ({"name": "x", "points": "late"}, "points must be a list, not 'late'"),
        ({"name": "x", "points": []}, "at least two points are needed"),
        ({"name": "x", "points": [[0, 0]]}, "at least two points are needed"),
        ({"name": "x", "points": [[0, 0], [1]]}, r"a point is \[position, height\], not \[1\]"),
        ({"name": "x", "points": [[0, 0], [1, "high"]]}, "positions and heights are numbers, not 'high'"),
        ({"name": "x", "points": [[0, 0], [1, True]]}, "positions and heights are numbers, not True"),
        ({"name": "x", "points": [[0, 0], [1, "1/0"]]}, "positions and heights are numbers, not '1/0'"),
        ({"name": "x", "points": [[0, 0], [1, float("nan")]]}, "positions and heights are numbers, not nan"),
        ({"name": "x", "points": [[0.1, 0], [0.9, 1]]}, "the first point must be at position 0 and the last at 1"),
        ({"name": "x", "points": [[0, 0], [0.7, 1], [0.7, 0], [1, 1]]}, "positions must rise, but 0.7 follows 0.7"),
        ({"name": "x", "points": [[0, 0], [0.5, 1.5], [1, 0]]}, r"from 0 to 1, not 1.5 \(at position 0.5\)"),
        ({"name": "x", "points": [[0, -0.5], [1, 1]]}, "heights must be from 0 to 1, not -0.5"),
        ({"name": "x", "points": [[0, 0], [1, 0]]}, "all heights are 0, so no budget can be matched"),
        ({"name": "x", "widths": []}, "widths must be whole numbers of at least 1"),
        ({"name": "x", "widths": [64, 0]}, "widths must be whole numbers of at least 1"),
        ({"name": "x", "widths": [64, 1.5]}, "widths are whole numbers, not 1.5"),
        ({"name": "d", "points": [[0, 0], [1, 1]]}, "there is already a template 'd'"),
        ("f", "unknown template 'f'"),
        ("bass", "unknown template 'bass'; did you mean 'base'"),
    ],
)
def test_errors_say_what_is_wrong(description: str | Mapping[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        template(description)


@dataclass(frozen=True, kw_only=True)
class EverySecond:
    """A custom kind: n in every second slot, the base filters in between."""

    name: str = "every_second"

    def least_n(self, base_widths: tuple[int, ...]) -> int:
        return max(base_widths)

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        assert n is not None
        return tuple(n if slot % 2 else base for slot, base in enumerate(base_widths))


CUSTOM = EverySecond()
NOT_A_TEMPLATE = 3


def test_a_registry_adds_templates_and_leaves_the_built_in_ones_alone() -> None:
    mine = BUILT_IN_TEMPLATES.register(CUSTOM)
    assert template("every_second", registry=mine) is CUSTOM
    assert mine.names == (*template_names(), "every_second")
    assert template_names() == ("base", "a", "b", "c", "d", "e")
    with pytest.raises(UsageError, match="there is already a template 'every_second'"):
        mine.register(EverySecond())
    assert TemplateRegistry().names == ()


def test_a_custom_template_is_found_by_module_and_attribute_and_gets_that_name() -> None:
    found = template(f"{__name__}:CUSTOM")
    assert isinstance(found, Template)
    assert found.name == f"{__name__}:CUSTOM"
    assert found.least_n(BASE) == 512
    assert found.widths(BASE, 600) == (64, 600, 256, 600)


def test_an_attribute_that_is_not_a_template_is_rejected() -> None:
    with pytest.raises(UsageError, match="is a int, not Template"):
        template(f"{__name__}:NOT_A_TEMPLATE")
