"""The training time of every trial, one point per trial."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import panels, styled, styles
from analysis.records import of_block
from analysis.study import Study


@styled
def trial_cost(study: Study) -> Figure:
    """Training time of every done trial in minutes, by template; a row of panels per model, a column per data set."""
    blocks = list(study.blocks())
    looks = styles(study.templates)
    figure, axes = panels(max(1, len(blocks)), max(1, len(study.datasets)), (2.5, 1.9), sharex=True)
    done = study.outcomes[study.outcomes["status"] == "done"]
    for row, (title, cells) in zip(axes, blocks, strict=False):
        trials = of_block(done, cells)
        for axis, dataset in zip(row, study.datasets, strict=True):
            for place, template in enumerate(study.templates):
                minutes = (
                    trials.loc[
                        (trials["template"] == template) & (trials["dataset"] == dataset), "train_seconds"
                    ].to_numpy(dtype=float)
                    / 60
                )
                spread = np.linspace(-0.15, 0.15, len(minutes)) if len(minutes) > 1 else np.zeros(len(minutes))
                look = looks[template]
                axis.plot(place + spread, minutes, linestyle="none", marker=look.marker, color=look.color, markersize=5)
            axis.set_xticks(range(len(study.templates)), study.templates)
            axis.margins(y=0.12)
            axis.set_ylim(bottom=0)
            axis.set_title(f"{title}, {dataset}")
        row[0].set_ylabel("Training (minutes)")
    return figure
