"""A heat map of the differences to base."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from analysis.figures.style import panels, styled
from analysis.keys import template_order
from analysis.records import of_block, records
from analysis.statistics.verdicts import is_separated
from analysis.study import Study


@styled
def heatmap(study: Study) -> Figure:
    """Difference in accuracy to base, in points, per template and data set; one panel per model.

    A frame marks differences that are separated from zero (Dunnett's test, corrected for all fields).
    """
    differences = study.differences
    blocks = list(study.blocks())
    largest = float(differences["difference"].abs().max()) if len(differences) else np.nan
    reach = largest if np.isfinite(largest) and largest > 0 else 1.0
    templates = max(1, len(study.templates) - 1)
    figure, axes = panels(1, max(1, len(blocks)), (1.0 + 0.85 * max(1, len(study.datasets)), 0.5 + 0.36 * templates))
    for axis, (title, cells) in zip(axes[0], blocks, strict=False):
        _draw(axis, of_block(differences, cells), study.datasets, reach)
        axis.set_title(title)
    figure.supxlabel("Points of test accuracy above base; framed: separated from zero", fontsize=7)
    return figure


def _draw(axis: Axes, differences: pd.DataFrame, datasets: list[str], reach: float) -> None:
    templates = template_order(differences["template"])
    axis.grid(visible=False)
    axis.set_xticks(range(len(datasets)), datasets)
    axis.set_yticks(range(len(templates)), templates)
    if not templates:
        axis.text(0.5, 0.5, "nothing to compare", ha="center", transform=axis.transAxes)
        return
    values = differences.pivot(index="template", columns="dataset", values="difference").reindex(
        templates, columns=datasets
    )
    image = axis.imshow(values, cmap="PuOr", vmin=-reach, vmax=reach, aspect="auto")
    marked = differences.assign(separated=is_separated(differences))
    for record in records(marked.dropna(subset=["difference"])):
        place = datasets.index(record["dataset"]), templates.index(record["template"])
        ink = _ink(image.to_rgba(record["difference"]))
        axis.text(*place, f"{record['difference']:+z.2f}", ha="center", va="center", color=ink)
        if record["separated"]:
            corner = place[0] - 0.46, place[1] - 0.44
            axis.add_patch(Rectangle(corner, 0.92, 0.88, fill=False, edgecolor=ink, linewidth=1.2))


def _ink(field: NDArray[np.float64]) -> str:
    """White on a dark field, black on a light one, by the luma of the field (red, green, blue, alpha; ITU-R BT.601)."""
    return "white" if np.dot(field[:3], (0.299, 0.587, 0.114)) < 0.5 else "black"
