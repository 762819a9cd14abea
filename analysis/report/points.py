"""Accuracies of cells and of single seeds, with those of the mean over data sets: what the plots show."""

from __future__ import annotations

import pandas as pd

from analysis.keys import BLOCK, CELL
from analysis.records import of_block
from analysis.statistics.differences import MEAN
from analysis.study import Study
from fdt_core.results.keys import BASE

_MODEL = [*BLOCK, "template"]


def shown_datasets(study: Study) -> list[str]:
    """The data sets from which a reader can choose; first their mean, if there are several."""
    return [MEAN, *study.datasets] if len(study.datasets) > 1 else study.datasets


def cell_points(study: Study) -> pd.DataFrame:
    """The cells of a study and their means over data sets, each with the interval of its difference to base.

    Returns:
        The columns of `Study.cells`, and `difference`, `low`, `high`, `p`, `pairs` and `verdict` of those that have a
        difference. `dataset` may be `MEAN`: its costs are those for the first data set.
    """
    cells = study.cells
    compared = pd.concat([study.differences, study.mean_differences], ignore_index=True)
    shown = ["difference", "low", "high", "p", "pairs", "verdict"]
    every = pd.concat([cells, _means(study)], ignore_index=True) if len(study.datasets) > 1 else cells
    return every.merge(compared[[*CELL, *shown]], on=CELL, how="left")


def _means(study: Study) -> pd.DataFrame:
    """The cells of each model's first data set, with the mean accuracy of all; NaN if one of them is unknown."""
    groups = study.cells.groupby(_MODEL, as_index=False, sort=False)
    means = groups.agg(mean=("mean", "mean"), known=("mean", "count"), done=("done", "min"))
    means = means.merge(_planned_datasets(study), on=BLOCK)
    means["mean"] = means["mean"].where(means["known"] == means["planned"])
    ordered = study.cells.assign(place=study.cells["dataset"].map(study.datasets.index))
    first = ordered.sort_values("place", kind="stable").drop_duplicates(_MODEL).drop(columns="place")
    return first.drop(columns=["mean", "std", "done"]).merge(means, on=_MODEL).assign(dataset=MEAN)


def _planned_datasets(study: Study) -> pd.DataFrame:
    """The number of data sets of each run, model, width and variant: `planned`."""
    return study.cells.groupby(BLOCK, as_index=False).agg(planned=("dataset", "nunique"))


def seed_points(study: Study) -> pd.DataFrame:
    """The accuracy of every done seed, and its mean over data sets if the seed is done on all of them.

    Returns:
        The columns of a cell, `seed`, `accuracy`, and `difference` to base's of the same seed (NaN if there is none).
    """
    seeds = study.outcomes[[*CELL, "seed", "accuracy"]].dropna()
    if len(study.datasets) > 1:
        groups = seeds.groupby([*_MODEL, "seed"], as_index=False)
        means = groups.agg(accuracy=("accuracy", "mean"), known=("dataset", "size"))
        means = means.merge(_planned_datasets(study), on=BLOCK)
        means = means[means["known"] == means["planned"]].assign(dataset=MEAN)
        seeds = pd.concat([seeds, means[[*CELL, "seed", "accuracy"]]], ignore_index=True)
    of_base = seeds[seeds["template"] == BASE].drop(columns="template").rename(columns={"accuracy": "of_base"})
    seeds = seeds.merge(of_base, on=[*BLOCK, "dataset", "seed"], how="left")
    return seeds.assign(difference=seeds["accuracy"] - seeds["of_base"]).drop(columns="of_base")


def by_model_and_dataset(study: Study, points: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of `points` by title (see `Study.blocks`) and data set, in the order in which they are shown."""
    found: dict[tuple[str, str], pd.DataFrame] = {}
    for title, cells in study.blocks():
        groups = {str(name): rows for name, rows in of_block(points, cells).groupby("dataset")}
        found |= {(title, name): groups[name] for name in shown_datasets(study) if name in groups}
    return found
