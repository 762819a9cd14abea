"""The best template for each need, as in the paper's conclusion, and how certain the choice is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.costs import COSTS, Cost, measured_costs
from analysis.keys import BASE, BLOCK, dataset_order, template_order
from analysis.records import Record, by_template
from analysis.statistics.differences import ALIKE, Verdict, has_spread, mean_interval, paired_differences
from analysis.study import Study

TOLERANCE = 0.5
"""Points of accuracy that the choice with the fewest parameters may lose relative to base."""

_VERDICTS = {
    Verdict.BELOW: "significantly above",
    Verdict.NOT_SEPARATED: "not separated from",
    Verdict.UNTESTED: "not testable against",
}
"""How the template with the highest accuracy relates to another, by the verdict on the other."""

_UNLIKE = "trained by a different recipe or on different data than"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A need, and the template that serves it best.

    Args:
        need: the need, in words.
        templates: the templates that serve it best; more than one if they tie.
        value: the value they reach, with its unit.
        against_base: the value relative to base; empty if there is no base.
        certainty: how certain the choice is.
    """

    need: str
    templates: tuple[str, ...]
    value: str
    against_base: str
    certainty: str


def choices(study: Study) -> dict[str, list[Choice]]:
    """The best templates for accuracy, parameters, memory and latency, by title of a run, model and width."""
    averages = average_over_datasets(study.outcomes)
    return {title: _block_choices(cells, _of_block(averages, cells)) for title, cells in study.blocks()}


def average_over_datasets(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes with one row per run, model, width, template and seed, its accuracy the mean over the data sets.

    All data sets have the same weight. A seed that lacks one of the data sets has no accuracy.
    """
    counted = outcomes.assign(datasets=outcomes.groupby(BLOCK)["dataset"].transform("nunique"))
    averages = counted.groupby([*BLOCK, "template", "seed"], as_index=False).agg(
        mean=("accuracy", "mean"),
        known=("accuracy", "count"),
        datasets=("datasets", "first"),
        **{name: (name, _each) for name in ALIKE},
    )
    complete = averages["known"] == averages["datasets"]
    return averages.assign(accuracy=averages["mean"].where(complete), dataset="mean of all data sets")


def _each(values: pd.Series[Any]) -> str:
    """The values over the data sets, as one value that can be compared."""
    return " ".join(map(str, values))


def _of_block(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of `frame` that belong to the run, model and width of `cells`."""
    return frame.merge(cells[BLOCK].drop_duplicates(), on=BLOCK)


def _block_choices(cells: pd.DataFrame, averages: pd.DataFrame) -> list[Choice]:
    means = averages.groupby("template")["accuracy"].mean().dropna()
    # Costs depend on the classes and image size of the data set; the order of the templates does not.
    first = cells[cells["dataset"] == dataset_order(cells["dataset"])[0]]
    found = [_for_accuracy(cells, averages, means)] if len(means) else []
    found += [_for_cost(first, cost) for cost in measured_costs(first, ("params", "memory", "latency"))]
    if BASE in means and first["params"].notna().any():
        found.append(_frugal(first, averages, means))
    return found


def _for_accuracy(cells: pd.DataFrame, averages: pd.DataFrame, means: pd.Series[float]) -> Choice:
    winner = str(means.idxmax())
    per_dataset = cells.pivot(index="dataset", columns="template", values="mean")
    firsts = int((per_dataset[winner] == per_dataset.max(axis=1)).sum())
    others = paired_differences(averages, axis="template", reference=winner, alike=ALIKE, only_verdicts=True)
    certainty = [f"highest on {firsts} of {len(per_dataset)} data sets"]
    for verdict, words in _VERDICTS.items():
        named = template_order(others.loc[(others["verdict"] == verdict) & ~others["unlike"], "template"])
        certainty += [f"{words} {', '.join(named)}"] if named else []
    if named := template_order(others.loc[others["unlike"], "template"]):
        certainty.append(f"{_UNLIKE} {', '.join(named)}")
    return Choice(
        need="accuracy (mean of data sets)",
        templates=(winner,),
        value=f"{means[winner]:.2f} %",
        against_base=f"{means[winner] - means[BASE]:+z.2f} points" if BASE in means and winner != BASE else "",
        certainty="; ".join(certainty),
    )


def _for_cost(cells: pd.DataFrame, cost: Cost) -> Choice:
    known = by_template(cells.dropna(subset=[cost.column]))
    lowest = min(cell[cost.column] for cell in known.values())
    winners = template_order((name for name, cell in known.items() if cell[cost.column] == lowest))
    return Choice(
        need=f"{'inference time' if cost.name == 'latency' else cost.label.lower()}",
        templates=tuple(winners),
        value=_shown(lowest, cost),
        against_base=_percent(lowest, known.get(BASE), cost),
        certainty=_latency_certainty(known, winners[0]) + _not_measured(cells, cost)
        if cost.measured
        else "computed, exact",
    )


def _shown(value: float, cost: Cost) -> str:
    return f"{value / cost.scale:.{cost.decimals}f} {cost.unit}"


def _percent(value: float, base: Record | None, cost: Cost) -> str:
    """The cost relative to base; empty if there is no base, or no difference to it."""
    if not base or not base[cost.column] or value == base[cost.column]:
        return ""
    return f"{100 * (value / base[cost.column] - 1):+z.1f} %"


def _latency_certainty(cells: dict[str, Record], winner: str) -> str:
    """Whether the spread of the winner's measurements overlaps that of others."""
    high = cells[winner]["latency_p90_ms"]
    rivals = [name for name, cell in cells.items() if cell["latency_p10_ms"] <= high and name != winner]
    if math.isnan(high):
        return "measured; spread unknown"
    if rivals:
        return f"measured; its 10-90 % range overlaps that of {', '.join(template_order(rivals))}"
    return "measured; its 10-90 % range is below all others"


def _not_measured(cells: pd.DataFrame, cost: Cost) -> str:
    """The templates without a measurement, as the end of a sentence."""
    names = template_order(cells.loc[cells[cost.column].isna(), "template"])
    return f"; not measured: {', '.join(names)}" if names else ""


def _frugal(cells: pd.DataFrame, averages: pd.DataFrame, means: pd.Series[float]) -> Choice:
    """The template with the fewest parameters among those at most `TOLERANCE` points below base."""
    known, cost = by_template(cells), COSTS["params"].fitting(cells)
    kept = [name for name, mean in means.items() if mean >= means[BASE] - TOLERANCE and name in known]
    winner = str(min(kept, key=lambda name: known[str(name)]["params"]))
    params = known[winner]["params"]
    return Choice(
        need=f"parameters, at most {TOLERANCE} points lost",
        templates=(winner,),
        value=_shown(params, cost),
        against_base=_percent(params, known.get(BASE), cost),
        certainty=_loss_certainty(averages, winner),
    )


def _loss_certainty(averages: pd.DataFrame, winner: str) -> str:
    """Whether the seeds show that the winner loses no more than the tolerance."""
    if winner == BASE:
        return "no smaller template stays within"
    others = paired_differences(averages, axis="template", reference=BASE, alike=ALIKE, only_verdicts=True)
    if others.loc[others["template"] == winner, "unlike"].any():
        return f"{_UNLIKE} {BASE}"
    by_seed = averages.pivot(index="seed", columns="template", values="accuracy")
    differences = (by_seed[winner] - by_seed[BASE]).dropna().to_numpy()[np.newaxis]
    if differences.size < 2 or not has_spread(differences)[0]:
        return "not testable"
    mean, low = differences.mean(), mean_interval(differences)[0][0]
    return f"{'shown' if low > -TOLERANCE else 'not shown'}: {mean:+z.2f} points, 95 % interval from {low:+z.2f}"
