"""The first screen of the report: for each model, one sentence of verdict and the three numbers behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from analysis.conclusions import Conclusion, conclusions, leading, verdict_on
from analysis.keys import BASE
from analysis.records import Record
from analysis.statistics.differences import MEAN
from analysis.study import Study


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
    """The verdict on each run, model and width."""
    found = conclusions(study)
    return [_verdict(study, title, found.get(title, [])) for title, _ in study.blocks()]


def _verdict(study: Study, title: str, found: list[Conclusion]) -> ModelVerdict:
    if not found:
        return ModelVerdict(
            title=title, sentence=f"{BASE} is not among the templates, so that none is compared with it."
        )
    sentence, lead = verdict_on(found, study.question.margin), leading(found)
    return ModelVerdict(
        title=title, sentence=sentence, numbers=_numbers(study, lead) if lead else _open_numbers(study, found)
    )


def _numbers(study: Study, lead: Conclusion) -> tuple[KeyNumber, ...]:
    where, difference = (MEAN, lead.mean) if lead.mean else next(iter(lead.by_dataset.items()))
    accuracy = KeyNumber(
        label=f"points of accuracy, {where}", text=f"{difference['difference']:+z.2f}", detail=_interval(difference)
    )
    held = KeyNumber(
        label=f"data sets without a loss of more than {study.question.margin:g} points",
        text=f"{lead.within} of {len(lead.by_dataset)}",
    )
    if lead.params is None:
        return accuracy, held
    params = KeyNumber(label=f"parameters of {lead.template} vs {BASE}", text=f"{100 * lead.params:+z.1f} %")
    return params, accuracy, held


def _open_numbers(study: Study, found: list[Conclusion]) -> tuple[KeyNumber, ...]:
    """Why nothing is shown: intervals that reach further than the margin, from few seeds."""
    margin = study.question.margin
    every = [record for each in found for record in each.by_dataset.values()]
    reaches = [record["difference"] - record["low"] for record in every if not math.isnan(record["low"])]
    seeds = min(int(record["pairs"]) for record in every)
    held = KeyNumber(label=f"templates shown to lose at most {margin:g} points", text=f"0 of {len(found)}")
    shared = KeyNumber(label="seeds in common with base, at least", text=str(seeds))
    if not reaches:
        return held, shared
    reach = KeyNumber(
        label="points that an interval reaches",
        text=f"{median(reaches):.2f}",
        detail=f"median; the margin is {margin:g}",
    )
    return held, reach, shared


def _interval(record: Record) -> str:
    """The interval in words; empty for a difference without one."""
    if math.isnan(record["low"]):
        return ""
    if math.isinf(record["high"]):
        return f"95 % sure: at least {record['low']:+z.2f}"
    return f"95 % interval {record['low']:+z.2f} to {record['high']:+z.2f}"
