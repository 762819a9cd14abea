"""What tables show, computed by another route: plain pandas, scipy and statsmodels, no code of the project."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats
from statsmodels.formula.api import ols


def by_key(frame: pd.DataFrame, *names: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a table by the values of these columns."""
    columns = {str(name): frame[name].tolist() for name in frame}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {tuple(str(row[name]) for name in names): row for row in rows}


def comparable(rows: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """For each model and data set, the accuracies by template and seed of templates with the recipe of base."""
    finished = rows[rows["status"] == "done"]
    found = {}
    for (model, dataset), block in finished.groupby(["model", "dataset"]):
        alike = block[block["learning_rate"] == block.loc[block["template"] == "base", "learning_rate"].iloc[0]]
        found[str(model), str(dataset)] = alike.pivot(index="template", columns="seed", values="final_test_accuracy")
    return found


def errors(blocks: dict[tuple[str, str], pd.DataFrame]) -> dict[tuple[str, str], tuple[float, float]]:
    """Variance and degrees of freedom of each block with an error, moderated by a solver of its own."""
    own = {}
    for key, block in blocks.items():
        long = block.reset_index().melt("template", value_name="y").dropna()
        fit = ols("y ~ C(template) + C(seed)", long).fit()
        if fit.df_resid > 0 and fit.mse_resid > 1e-15:
            own[key] = float(fit.mse_resid), float(fit.df_resid)
    variances, dfs = (np.array(each) for each in zip(*own.values(), strict=True))
    if len(own) < 2:
        return own
    logs = np.log(variances) - special.psi(dfs / 2) + np.log(dfs / 2)
    surplus = logs.var(ddof=1) - special.polygamma(1, dfs / 2).mean()
    if surplus <= 0:
        return {key: ((variances * dfs).sum() / dfs.sum(), dfs.sum()) for key in own}
    half = optimize.brentq(lambda x: special.polygamma(1, x) - surplus, 1e-6, 1e6)
    typical = math.exp(logs.mean() + special.psi(half) - math.log(half))
    return {
        key: ((2 * half * typical + df * variance) / (2 * half + df), min(2 * half + df, dfs.sum()))
        for key, (variance, df) in own.items()
    }


def joint_p(t: float, count: int, df: float) -> float:
    """The chance that the largest of `count` statistics with correlation 1/2 exceeds |t|, by scipy's integration."""
    joint = stats.multivariate_t(shape=np.full((count, count), 0.5) + 0.5 * np.eye(count), df=df, seed=1)
    return 1 - float(joint.cdf(np.full(count, abs(t)), lower_limit=np.full(count, -abs(t)), maxpts=200_000))


def contrast(of_datasets: list[tuple[float, float]], seeds: int) -> tuple[float, float]:
    """Standard error and degrees of freedom (Satterthwaite) of a difference in the mean over data sets."""
    squares = np.array([2 * variance / seeds for variance, _ in of_datasets])
    dfs = np.array([df for _, df in of_datasets])
    return float(np.sqrt(squares.sum()) / len(squares)), float(squares.sum() ** 2 / (squares**2 / dfs).sum())


def quantile_of_best(count: int, df: float, confidence: float) -> float:
    """What the largest of `count` statistics with correlation 1/2 stays below with this confidence."""
    shape = np.full((count, count), 0.5) + 0.5 * np.eye(count)
    joint = stats.multivariate_t(shape=shape, df=df, seed=1)
    return float(
        optimize.brentq(
            lambda x: float(joint.cdf(np.full(count, x), maxpts=100_000)) - confidence, 0.5, 20.0, xtol=1e-3
        )
    )


def seeds_for_power(effect: float, df_per_seed: float, family: int) -> float:
    """The fewest seeds with which one of `family` tests finds this effect in 80 of 100 cases; infinity above 100."""
    seeds = np.arange(2, 101)
    df = df_per_seed * (seeds - 1)
    power = stats.nct.sf(stats.t.isf(0.025 / family, df), df, np.minimum(max(effect, 0) * np.sqrt(seeds / 2), 50))
    enough = np.flatnonzero(power >= 0.8)
    return float(seeds[enough[0]]) if len(enough) else math.inf
