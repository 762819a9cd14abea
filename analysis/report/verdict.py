"""The first screen of the report: for each model, one sentence of verdict and the three numbers behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import pandas as pd

from analysis.conclusions import Conclusion, conclusions, leading, verdict_on
from analysis.records import Record
from analysis.report.drawings import interval_words
from analysis.statistics.differences import MEAN
from analysis.statistics.verdicts import WITHIN_MARGIN
from analysis.study import Study
from fdt_core.quantities import points
from fdt_core.results.keys import BASE


@dataclass(frozen=True, kw_only=True)
class KeyNumber:
    """A number, what it is, and a detail such as its interval."""

    label: str
    text: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelVerdict:
    """What the study says of one model.

    Args:
        title: the model's.
        sentence: the verdict on the template of which most is shown.
        numbers: that template's; if nothing is shown of any, what the seeds allow to be shown.
    """

    title: str
    sentence: str
    numbers: tuple[KeyNumber, ...] = ()


def model_verdicts(study: Study) -> list[ModelVerdict]:
    """The verdict on each run, model, width and variant."""
    found = conclusions(study)
    return [_verdict(study, title, cells, found.get(title, [])) for title, cells in study.blocks()]


def _verdict(study: Study, title: str, cells: pd.DataFrame, found: list[Conclusion]) -> ModelVerdict:
    if not found:
        missing = f"there is no {BASE}" if BASE not in set(cells["template"]) else f"there is nothing but {BASE}"
        return ModelVerdict(title=title, sentence=f"{missing}, so nothing is compared.")
    sentence, lead = verdict_on(found, study.question.margin), leading(found)
    return ModelVerdict(
        title=title, sentence=sentence, numbers=_numbers(study, lead) if lead else _open_numbers(study, found)
    )


def _numbers(study: Study, lead: Conclusion) -> tuple[KeyNumber, ...]:
    where, difference = _main_difference(lead)
    accuracy = KeyNumber(
        label=f"points of accuracy, {where}", text=f"{difference['difference']:+z.2f}", detail=_interval(difference)
    )
    held = KeyNumber(
        label=f"data sets where a loss of more than {points(study.question.margin)} is ruled out",
        text=f"{lead.within} of {len(lead.by_dataset)}",
    )
    if lead.params is None:
        return accuracy, held
    params = KeyNumber(label=f"parameters of {lead.template} vs {BASE}", text=f"{100 * lead.params:+z.1f} %")
    return params, accuracy, held


def _main_difference(lead: Conclusion) -> tuple[str, Record]:
    """The difference in the mean over data sets; if it is unknown, that on the first data set within the margin."""
    if lead.mean and not math.isnan(lead.mean["difference"]):
        return MEAN, lead.mean
    return next((name, found) for name, found in lead.by_dataset.items() if found["verdict"] in WITHIN_MARGIN)


def _open_numbers(study: Study, found: list[Conclusion]) -> tuple[KeyNumber, ...]:
    """Why nothing is shown: intervals that reach further than the margin, from few seeds."""
    margin = study.question.margin
    every = [record for each in found for record in each.by_dataset.values()]
    reaches = [record["difference"] - record["low"] for record in every if not math.isnan(record["low"])]
    seeds = min(int(record["pairs"]) for record in every)
    held = KeyNumber(label=f"templates shown to lose at most {points(margin)}", text=f"0 of {len(found)}")
    shared = KeyNumber(label="seeds in common with base, at least", text=str(seeds))
    if not reaches:
        return held, shared
    reach = KeyNumber(
        label="reach of an interval (points)",
        text=f"{median(reaches):.2f}",
        detail=f"median; the margin is {margin:g}",
    )
    return held, reach, shared


def _interval(record: Record) -> str:
    interval = interval_words(record)
    return f"95 % interval: {interval}" if interval else ""
