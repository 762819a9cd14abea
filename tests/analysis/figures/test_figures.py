"""The figures of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from analysis import Study, study
from analysis.figures import FIGURES, save_figures
from analysis.figures.fronts import fronts
from analysis.figures.heatmap import heatmap
from analysis.figures.intervals import intervals
from analysis.figures.learning import learning
from analysis.figures.ranks import ranks
from analysis.figures.scatter import accuracy_against_cost
from analysis.figures.style import fills, styles
from fdt_core.errors import UsageError
from tests.analysis.synthetic import done, epoch_rows, paper_run, write_run

pytestmark = pytest.mark.study

TEMPLATES = ["base", "a", "b", "c", "d", "e", "late_bulge", "waist"]


def test_every_template_has_a_different_colour_and_marker() -> None:
    looks = [styles(TEMPLATES)[name] for name in TEMPLATES]
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == len(TEMPLATES)
    assert len({(look.dash, look.marker) for look in looks}) == len(TEMPLATES)


def test_the_style_of_a_template_does_not_depend_on_the_others() -> None:
    assert styles(["d"])["d"] == styles(TEMPLATES)["d"]


def test_many_own_templates_stay_distinguishable() -> None:
    looks = styles(f"own{number:02}" for number in range(63))
    assert len(looks) == 6 + 63
    for drawn in (
        {(look.color, look.marker) for look in looks.values()},
        {(look.color, look.plotly_marker) for look in looks.values()},
    ):
        assert len(drawn) == len(looks)
    few = [styles(f"own{number:02}" for number in range(7))[f"own{number:02}"] for number in range(7)]
    assert len({look.color for look in few}) == 7


# Vienot, Brettel and Mollon (1999): linear RGB as deuteranopes and protanopes see it.
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
PROTANOPIA = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])


@pytest.mark.parametrize("seen_as", [DEUTERANOPIA, PROTANOPIA])
def test_the_papers_templates_can_be_told_apart_without_red_and_green(seen_as: np.ndarray) -> None:
    colors = [seen_as @ np.array(to_rgb(styles([])[name].color)) ** 2.2 for name in TEMPLATES[:6]]
    distances = [np.linalg.norm(one - other) for i, one in enumerate(colors) for other in colors[:i]]
    assert min(distances) > 0.08


def test_points_of_a_template_look_the_same_in_all_figures(paper: Study) -> None:
    for figure in (accuracy_against_cost(paper), fronts(paper)):
        for axis in figure.axes:
            for container in axis.containers:
                assert isinstance(container, ErrorbarContainer)
                look = styles([])[str(container.get_label())]
                assert to_hex(container[0].get_color()).lower() == look.color.lower()
                assert container[0].get_marker() == look.marker


def test_figure_3_has_a_panel_per_data_set_with_all_points_and_their_spread(paper: Study) -> None:
    figure = accuracy_against_cost(paper)
    assert [axis.get_title() for axis in figure.axes] == paper.datasets
    for axis in figure.axes:
        assert len(axis.containers) == 12
    first = next(each for each in figure.axes[0].containers if each.get_label() == "base")
    assert isinstance(first, ErrorbarContainer)
    assert first[0].get_ydata()[0] == pytest.approx(95.91)  # ResNet50, the first model by name


def test_models_differ_in_the_fill_of_their_markers(paper: Study) -> None:
    assert list(fills(["one", "two"]).values()) == ["full", "none"]
    legend = accuracy_against_cost(paper).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["base", "a", "b", "c", "d", "e", "resnet50", "vgg19"]


def test_the_heat_map_shows_every_difference_and_is_symmetric_about_zero(paper: Study) -> None:
    figure = heatmap(paper)
    texts = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert {"+2.11", "-3.08", "+0.02"} <= texts
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high


def luminance(color: ColorType) -> float:
    """Relative luminance (WCAG 2.1) of a colour."""
    return float(np.array(to_rgb(color)) ** 2.2 @ (0.2126, 0.7152, 0.0722))


def test_the_numbers_of_the_heat_map_contrast_with_their_fields(paper: Study) -> None:
    for axis in heatmap(paper).axes:
        image = axis.images[0]
        for text in axis.texts:
            (red, green, blue, _), *_ = image.to_rgba(np.array([float(text.get_text())]))
            dark, light = sorted(map(luminance, (text.get_color(), (red, green, blue))))
            assert (light + 0.05) / (dark + 0.05) > 3.5


@pytest.mark.parametrize("name", ["filters", "learning"])
def test_layers_and_epochs_are_whole_numbers(tmp_path: Path, name: str) -> None:
    rows = [done(90.0)]
    path = write_run(tmp_path / "run", rows, epochs=[epoch for row in rows for epoch in epoch_rows(row, 2)])
    (axis,) = FIGURES[name](study(path)).axes
    assert all(float(tick).is_integer() for tick in axis.get_xticks())


def test_the_learning_curves_have_a_band_of_a_standard_deviation(tmp_path: Path) -> None:
    figure = learning(study(paper_run(tmp_path / "run", epochs=5)))
    assert len(figure.axes) == 8
    assert len(figure.axes[0].lines) == len(figure.axes[0].collections) == 6


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_legible(paper: Study, name: str) -> None:
    for axis in FIGURES[name](paper).axes:
        for text in (axis.title, axis.xaxis.label, axis.yaxis.label):
            assert float(text.get_fontsize()) >= 7


@pytest.mark.parametrize("name", ["accuracy", "filters", "learning", "fronts"])
def test_the_legend_fits_a_narrow_figure(tmp_path: Path, name: str) -> None:
    """As in the demo: one data set, and long model names."""
    rows = [
        done(90.0, model=model, width=0.125, template=template)
        for model in ("resnet50", "vgg19") for template in TEMPLATES[:6]
    ]  # fmt: skip
    epochs = [epoch for row in rows for epoch in epoch_rows(row, 3)]
    figure = FIGURES[name](study(write_run(tmp_path / "run", rows, epochs=epochs)))
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.x1


def test_files_are_written_in_all_formats_and_are_the_same_twice(paper: Study, tmp_path: Path) -> None:
    one = save_figures(paper, tmp_path / "one", ("pdf", "svg", "png"), ["filters"])
    two = save_figures(paper, tmp_path / "two", ("pdf", "svg", "png"), ["filters"])
    assert [file.name for file in one] == ["filters.pdf", "filters.svg", "filters.png"]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_an_unknown_figure_or_format_names_the_known_ones(paper: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'fronts'"):
        save_figures(paper, tmp_path, ["svg"], ["front"])
    with pytest.raises(UsageError, match="known: pdf, svg, png"):
        save_figures(paper, tmp_path, ["bmp"])


def test_the_figure_of_intervals_shows_every_difference_against_the_margin(paper: Study) -> None:
    figure = intervals(paper)
    assert [axis.get_title() for axis in figure.axes] == ["resnet50", "vgg19"]
    for axis in figure.axes:
        assert len(axis.containers) == 5 * (4 + 1)
        (band,) = axis.patches
        assert isinstance(band, Rectangle)
        assert (band.get_x(), band.get_width()) == pytest.approx((-0.5, 1.0))
    shown = {each.get_label(): each for each in figure.axes[1].containers[::-1]}
    d = shown["d"]
    assert isinstance(d, ErrorbarContainer)
    assert d[0].get_fillstyle() == "full"
    assert d[0].get_xdata()[0] == pytest.approx(0.31)


def test_the_diagram_of_ranks_joins_templates_that_are_not_separated(paper: Study) -> None:
    (axis,) = ranks(paper).axes
    assert [text.get_text().strip() for text in axis.texts] == ["d", "a", "b", "c", "base", "e"]
    bars = [line for line in axis.lines if line.get_linewidth() == 3]
    ends = np.array([bar.get_xdata() for bar in bars])
    assert ends == pytest.approx(np.array([[0.95, 4.55], [2.325, 5.55]]))
    assert "p = 0.002" in axis.get_title()


@pytest.mark.parametrize(("largest", "scale"), [(40_000, "linear"), (90_000, "log")])
def test_costs_of_several_decades_have_a_logarithmic_axis(tmp_path: Path, largest: int, scale: str) -> None:
    run = write_run(tmp_path / "run", [done(90.0, params=largest), done(91.0, template="a", params=1000)])
    assert accuracy_against_cost(study(run)).axes[0].get_xscale() == scale


def test_six_models_can_be_told_apart_by_their_fill() -> None:
    assert len(set(fills(f"model{number}" for number in range(6)).values())) == 6
