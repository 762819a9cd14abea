"""Differences of runs with adaptive seeds: those of the last look at each comparison.

A usual interval is too short where the results have decided how many seeds there are. Those of the looks are not: they
hold at all looks together. What is said of means and of the best template follows from them alone, so that it holds
too; it is more cautious than it could be.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from analysis.keys import BLOCK, CELL
from analysis.statistics.arrays import Flags
from analysis.statistics.differences import Question, hedges_factor
from analysis.statistics.sequential.looks import limits, with_error
from analysis.statistics.simultaneous import CONFIDENCE
from analysis.statistics.verdicts import Verdict, verdicts
from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks

_FROM_LOOKS = ["look", "pairs", "difference", "standard_error", "df", "p"]


def at_usual_confidence(decisions: pd.DataFrame, looks: Looks) -> pd.DataFrame:
    """The decisions with limits at the confidence of all other intervals, whatever error the sweep allows itself.

    Args:
        decisions: rows of `decisions`, one per comparison, of one run.
        looks: that run's. If they do not tell how many comparisons share the error, only limits that
            were recorded at that confidence are kept.
    """
    usual_error = round(1 - CONFIDENCE, 9)
    if not looks.blocks:
        return decisions if (looks.error, looks.family) == (usual_error, "study") else decisions.iloc[:0]
    levels = np.asarray(with_error(looks, usual_error).levels)[decisions["look"].to_numpy(dtype=int) - 1]
    numbers = decisions[["difference", "standard_error", "df"]].to_numpy(dtype=float)
    low, high = limits(numbers[:, 0], numbers[:, 1], numbers[:, 2], levels)
    return decisions.assign(low=low, high=high)


def decided_differences(
    usual: pd.DataFrame, decisions: pd.DataFrame, runs: Collection[str], question: Question
) -> pd.DataFrame:
    """A frame of `differences` in which the rows of adaptive runs are those of their last look.

    Args:
        usual: as `analysis.statistics.differences.differences`.
        decisions: the last decision on each comparison: the columns of a cell, `standard_error`, and those of `usual`.
        runs: the adaptive runs. A comparison of theirs without a decision is untested.
        question: the margin and the sides of the verdicts. A one-sided interval keeps its lower limit.
    """
    adaptive = usual["run"].isin(list(runs)).to_numpy()
    found = usual[CELL].merge(decisions[[*CELL, *_FROM_LOOKS, "low", "high"]], on=CELL, how="left")
    found = found.astype(dict.fromkeys([*_FROM_LOOKS, "low", "high"], float))
    low = found["low"].to_numpy(dtype=float)
    high = np.where(np.isnan(low) | (not question.one_sided), found["high"].to_numpy(dtype=float), np.inf)
    error = found["standard_error"] * np.sqrt(found["pairs"] / 2)
    decided = {
        "pairs": found["pairs"].fillna(usual["pairs"]).astype(int),
        "difference": found["difference"].fillna(usual["difference"]),
        "low": low,
        "high": high,
        "p": found["p"],
        "verdict": verdicts(low, high, question.margin),
        "effect": hedges_factor(found["df"]) * found["difference"] / error,
        "error": error,
        "df": found["df"],
        "own_error": error,
        "own_df": found["df"],
        "look": found["look"].fillna(0),
    }
    return _replaced(usual, decided, adaptive)


def decided_means(
    usual: pd.DataFrame, differences: pd.DataFrame, runs: Collection[str], datasets: pd.Series[int], question: Question
) -> pd.DataFrame:
    """A frame of `mean_differences` in which the limits of adaptive runs are the means of those of the data sets.

    As the limits of all data sets hold together, so do these. There are none for a template that is not compared on
    every data set.

    Args:
        usual: as `analysis.statistics.differences.mean_differences`.
        differences: as `decided_differences`.
        runs: the adaptive runs.
        datasets: the number of data sets of each run, model, width and variant, by `BLOCK`.
        question: the margin of the verdicts.
    """
    adaptive = usual["run"].isin(list(runs)).to_numpy()
    key = [*BLOCK, "template"]
    grouped = differences.groupby(key)[["difference", "low", "high"]]
    counts = grouped.count()
    of_block = datasets.reindex(pd.MultiIndex.from_frame(counts.reset_index()[BLOCK])).to_numpy()
    found = grouped.mean().where(counts.eq(of_block, axis=0)).reset_index()
    means = usual[key].merge(found, on=key, how="left")
    low, high = means["low"].to_numpy(dtype=float), means["high"].to_numpy(dtype=float)
    decided = {
        "difference": means["difference"],
        "low": low,
        "high": high,
        "p": np.full(len(usual), np.nan),
        "verdict": verdicts(low, high, question.margin),
    }
    return _replaced(usual, decided, adaptive)


def _replaced(usual: pd.DataFrame, decided: dict[str, Any], at: Flags) -> pd.DataFrame:
    """The frame with decided values in these rows."""
    columns = {name: np.where(at, np.asarray(values), usual[name].to_numpy()) for name, values in decided.items()}
    return usual.assign(**columns).astype({name: usual[name].dtype for name in decided})


def best_of_decided(means: pd.DataFrame) -> pd.DataFrame:
    """A frame like that of `compared_with_the_best`, from the limits of the mean differences to base.

    Args:
        means: as `decided_means`, of adaptive runs only.
    """
    found = []
    for key, of_block in means.groupby(BLOCK, sort=True):
        tested = of_block[of_block["verdict"] != Verdict.UNTESTED]
        names = [BASE, *tested["template"]]
        difference, low, high = (
            np.concatenate([[0.0], tested[name].to_numpy(dtype=float)]) for name in ("difference", "low", "high")
        )
        for at, name in enumerate(names):
            others = np.arange(len(names)) != at
            if not others.any():
                continue
            upper = float((high[at] - low[others]).min())
            found.append(
                dict(zip(BLOCK, key, strict=True))
                | {
                    "template": name,
                    "ahead": float((difference[at] - difference[others]).min()),
                    "low": min(float((low[at] - high[others]).min()), 0.0),
                    "high": max(upper, 0.0),
                    "candidate": upper > 0,
                }
            )
    return pd.DataFrame(found, columns=[*BLOCK, "template", "ahead", "low", "high", "candidate"])
