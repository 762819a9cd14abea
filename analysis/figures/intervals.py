"""Intervals of the differences to base against the margin: what is shown of each template, at a glance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import legend_below, panels, styled, styles
from analysis.records import of_block, records
from analysis.statistics.differences import MEAN
from analysis.study import Study


@styled
def intervals(study: Study) -> Figure:
    """One panel per model, with a row per data set and template, the mean over data sets last.

    A bar is a simultaneous 95 % interval. The band is the margin: a bar above its lower end rules out a loss of more
    than the margin, and a filled marker says so.
    """
    blocks = list(study.blocks())
    datasets = [*study.datasets, *([MEAN] if len(study.datasets) > 1 else [])]
    templates = [name for name in study.templates if name in set(study.differences["template"])]
    rows = max(1, len(datasets) * (len(templates) + 1))
    figure, axes = panels(1, max(1, len(blocks)), (3.4, 0.5 + 0.16 * rows))
    both = pd.concat([study.differences, study.mean_differences], ignore_index=True)
    both = both[both["dataset"].isin(datasets)]
    for number, (axis, (title, cells)) in enumerate(zip(axes[0], blocks, strict=False)):
        _draw(axis, of_block(both, cells), datasets, templates, study.question.margin)
        axis.set_title(title)
        axis.set_xlabel("Points of test accuracy above base")
        axis.tick_params(axis="y", labelleft=number == 0, length=0)
    legend_below(figure)
    return figure


def _draw(axis: Axes, differences: pd.DataFrame, datasets: list[str], templates: list[str], margin: float) -> None:
    axis.grid(visible=False)
    axis.axvspan(-margin, margin, color="0.9", zorder=0)
    axis.axvline(0, color="0.4", linewidth=0.8, zorder=1)
    height = len(templates) + 1
    axis.set_yticks([number * height + (height - 2) / 2 for number in range(len(datasets))], datasets)
    axis.set_ylim(len(datasets) * height - 1, -1)
    looks = styles(templates)
    for record in records(differences.dropna(subset=["difference"])):
        place = datasets.index(record["dataset"]) * height + templates.index(record["template"])
        look, rules_out = looks[record["template"]], record["low"] > -margin
        reach = None if np.isnan(record["low"]) else [[record["difference"] - record["low"]], [_upper(record)]]
        axis.errorbar(
            record["difference"], place, xerr=reach, label=record["template"], color=look.color, marker=look.marker,
            fillstyle="full" if rules_out else "none", markersize=4.5, linestyle="none", capsize=2, elinewidth=1,
        )  # fmt: skip


def _upper(record: dict[str, float]) -> float:
    """The length of the upper bar; a one-sided interval has none."""
    return record["high"] - record["difference"] if np.isfinite(record["high"]) else 0.0
