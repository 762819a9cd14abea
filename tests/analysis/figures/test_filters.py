"""The figure of filters per layer."""

import numpy as np

from analysis.figures.filters import filters_per_layer
from analysis.figures.style import styles

WIDTHS = {"base": (64, 128, 256), "d": (64, 200, 64), "mine": (10, 20, 30)}


def test_each_model_has_a_panel_and_each_template_a_line() -> None:
    figure = filters_per_layer({"vgg11": WIDTHS, "resnet18": WIDTHS})
    assert [axis.get_title() for axis in figure.axes] == ["vgg11", "resnet18"]
    for axis in figure.axes:
        assert {line.get_label(): tuple(np.asarray(line.get_ydata())) for line in axis.lines} == WIDTHS
        assert all(np.asarray(line.get_xdata()).tolist() == [1, 2, 3] for line in axis.lines)


def test_templates_look_as_in_every_other_figure() -> None:
    (axis,) = filters_per_layer({"vgg11": WIDTHS}).axes
    looks = styles(list(WIDTHS))
    for line in axis.lines:
        look = looks[str(line.get_label())]
        assert (line.get_color(), line.get_marker(), line.get_linestyle()) == (look.color, look.marker, look.dash)
