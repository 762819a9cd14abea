"""The best template for each need, as in the paper's conclusion, and how certain the choice is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from analysis.costs import COSTS, Cost, measured_costs
from analysis.keys import dataset_order, template_order
from analysis.records import Record, by_template, of_block, records
from analysis.statistics.verdicts import WITHIN_MARGIN, Verdict
from analysis.study import Study
from fdt_core.quantities import points
from fdt_core.results.keys import BASE

_EQUAL = 1e-9
"""Per cent: means that differ by no more are equal but for rounding errors."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number in full precision, its unit (empty for a count), and the text that shows it."""

    value: float
    unit: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A need, and the template that serves it best.

    Args:
        need: the need, in words.
        templates: the templates that serve it best; more than one if they tie.
        reached: what they reach.
        change: the same relative to base; None if there is no base, or no difference to it.
        certainty: how certain the choice is.
    """

    need: str
    templates: tuple[str, ...]
    reached: Amount
    change: Amount | None
    certainty: str


def choices(study: Study) -> dict[str, list[Choice]]:
    """The best templates for accuracy, parameters, memory and latency, by title of a run, model, width and variant."""
    if study.outcomes.empty:
        return {}
    return {
        title: _block_choices(
            cells,
            of_block(study.against_the_best, cells),
            of_block(study.mean_differences, cells),
            study.question.margin,
        )
        for title, cells in study.blocks()
    }


def _block_choices(
    cells: pd.DataFrame, against_best: pd.DataFrame, differences: pd.DataFrame, margin: float
) -> list[Choice]:
    per_dataset = cells.pivot(index="dataset", columns="template", values="mean")
    # Costs depend on the classes and image size of the data set; the order of the templates does not.
    first = cells[cells["dataset"] == dataset_order(cells["dataset"])[0]]
    has_mean = per_dataset.notna().all()
    found = [_for_accuracy(per_dataset, against_best, differences, by_template(first))] if has_mean.any() else []
    found += [_for_cost(first, cost) for cost in measured_costs(first, ("params", "memory", "latency"))]
    if has_mean.get(BASE, False) and first["params"].notna().any():
        found.append(_frugal(first, differences, margin))
    return found


def _for_accuracy(
    per_dataset: pd.DataFrame, against_best: pd.DataFrame, differences: pd.DataFrame, costs: dict[str, Record]
) -> Choice:
    """The templates that are ahead of all others on the seeds that both have; of equal ones, the smallest first."""
    means = per_dataset.mean(skipna=False).dropna()
    ahead = against_best.set_index("template")["ahead"] if len(against_best) else means
    highest = ahead.index[ahead >= ahead.max() - _EQUAL]
    winners = sorted(map(str, highest), key=lambda name: (costs[name]["params"], name))
    winner = winners[0]
    firsts = int((per_dataset[winner] == per_dataset.max(axis=1)).sum())
    unlike = template_order(differences.loc[differences["unlike"], "template"])
    tested = against_best.loc[against_best["high"].notna(), "template"]
    untested = template_order(set(map(str, per_dataset)) - set(tested) - set(unlike))
    certainty = [f"highest on {firsts} of {len(per_dataset)} data sets"]
    if len(tested):
        candidates = template_order(against_best.loc[against_best["candidate"], "template"])
        certainty.append(_certainty_of_best(winners, candidates, every_one=not unlike and not untested))
    if unlike:
        certainty.append(f"trained by a different recipe or on different data: {', '.join(unlike)}")
    if untested:
        certainty.append(f"not tested: {', '.join(untested)}")
    difference = differences.set_index("template")["difference"].get(winner)
    return Choice(
        need="accuracy (mean of data sets)",
        templates=tuple(winners),
        reached=Amount(value=float(means[winner]), unit="%", text=f"{means[winner]:.2f} %"),
        change=None
        if difference is None or math.isnan(difference)
        else Amount(value=float(difference), unit="points", text=f"{difference:+z.2f} points"),
        certainty="; ".join(certainty),
    )


def _certainty_of_best(winners: list[str], candidates: list[str], *, every_one: bool) -> str:
    """What the comparisons with the best show of the winners; `every_one`: whether they include every template."""
    others = [name for name in candidates if name not in winners]
    among = "" if every_one else " of those tested"
    if others:
        return f"may also be the best: {', '.join(others)}"
    if len(winners) > 1:
        return f"they are equal, and surely ahead of the others{among}"
    return f"surely the best{among}"


def _for_cost(cells: pd.DataFrame, cost: Cost) -> Choice:
    known = by_template(cells.dropna(subset=[cost.column]))
    lowest = min(cell[cost.column] for cell in known.values())
    winners = template_order((name for name, cell in known.items() if cell[cost.column] == lowest))
    return Choice(
        need=f"{'inference time' if cost.name == 'latency' else cost.label.lower()}",
        templates=tuple(winners),
        reached=_shown(lowest, cost),
        change=_percent(lowest, known.get(BASE), cost),
        certainty=_latency_certainty(known, winners[0]) + _not_measured(cells, cost)
        if cost.measured
        else "computed, exact",
    )


def _shown(value: float, cost: Cost) -> Amount:
    text = f"{value / cost.scale:.{cost.decimals}f} {cost.unit}"
    return Amount(value=float(value), unit=cost.stored_unit, text=text)


def _percent(value: float, base: Record | None, cost: Cost) -> Amount | None:
    """The cost relative to base; None if there is no base, or no difference to it."""
    if not base or not base[cost.column] or value == base[cost.column]:
        return None
    percent = 100 * (value / base[cost.column] - 1)
    return Amount(value=float(percent), unit="%", text=f"{percent:+z.1f} %")


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


def _frugal(cells: pd.DataFrame, differences: pd.DataFrame, margin: float) -> Choice:
    """The template with the fewest parameters among those whose mean accuracy is shown to stay within the margin."""
    known, cost = by_template(cells), COSTS["params"].fitting(cells)
    of_template = {record["template"]: record for record in records(differences)}
    shown = [name for name, record in of_template.items() if record["verdict"] in WITHIN_MARGIN and name in known]
    winner = min([BASE, *shown], key=lambda name: (known[name]["params"], name))
    params = known[winner]["params"]
    return Choice(
        need=f"parameters, at most {points(margin)} lost",
        templates=(winner,),
        reached=_shown(params, cost),
        change=_percent(params, known.get(BASE), cost),
        certainty=_loss_certainty(of_template.get(winner), _smaller(known, of_template, params)),
    )


def _smaller(known: dict[str, Record], of_template: dict[str, Record], params: int) -> list[str]:
    """The smaller templates that may stay within the margin as well."""
    open_verdicts = (Verdict.UNDECIDED, Verdict.UNTESTED)
    smaller = (name for name, record in of_template.items() if record["verdict"] in open_verdicts)
    return template_order(name for name in smaller if name in known and known[name]["params"] < params)


def _loss_certainty(record: Record | None, smaller: list[str]) -> str:
    """What is shown of the chosen template's loss; None stands for base."""
    shown = (
        "no smaller template is shown to stay within"
        if record is None
        else f"shown: {record['difference']:+z.2f} points, 95 % interval from {record['low']:+z.2f}"
    )
    return f"{shown}; undecided or not tested: {', '.join(smaller)}" if smaller else shown
