"""The table of verdicts: which templates are as good as base, on every data set and in the mean."""

from __future__ import annotations

from dataclasses import replace

from analysis.conclusions import Conclusion, conclusions
from analysis.keys import BASE
from analysis.records import Record
from analysis.statistics.differences import MEAN
from analysis.statistics.verdicts import WITHIN_MARGIN
from analysis.study import Study
from analysis.tables.numbers import number
from analysis.tables.table import Column, Entry, Table, text_column, transposed, word
from fdt_core.quantities import points

_ABOUT = (
    "superior: above {base}; equivalent: within the margin on both sides; non-inferior: not below {base} by more than "
    "the margin; inferior: below it by more. Each is said only if the whole interval shows it; "
    "undecided: it shows none of these."
)


def verdict_tables(study: Study) -> list[Table]:
    """A table per run, model, width and variant: a row per template, with a verdict per data set and for their mean."""
    return [_table(study, title, found) for title, found in conclusions(study).items()]


def _table(study: Study, title: str, found: list[Conclusion]) -> Table:
    margin = study.question.margin
    datasets = [name for name in study.datasets if any(name in each.by_dataset for each in found)]
    columns = [
        text_column("Template"),
        Column(name="Parameters (% vs base)", key="params_vs_base_percent", unit="%"),
        *(text_column(name, key=f"verdict_{name}") for name in datasets),
        *([text_column(MEAN, key="verdict_mean")] if len(datasets) > 1 else []),
    ]
    entries = [
        [word(each.template) for each in found],
        [number(100 * each.params, 1, signed=True) if each.params is not None else Entry() for each in found],
        *([_entry(each.by_dataset.get(name)) for each in found] for name in datasets),
        *([[_entry(each.mean) for each in found]] if len(datasets) > 1 else []),
    ]
    return Table(
        title=f"{title}: accuracy ({study.accuracy} epoch) against {BASE}'s, margin {points(margin)}",
        columns=tuple(columns),
        rows=transposed(entries),
        notes=(*(each.sentence(margin) for each in found), _ABOUT.format(base=BASE), _confidence(study)),
    )


def _entry(record: Record | None) -> Entry:
    if record is None:
        return Entry()
    return replace(word(record["verdict"]), best=record["verdict"] in WITHIN_MARGIN)


def _confidence(study: Study) -> str:
    sides = "one-sided" if study.question.one_sided else "two-sided"
    return (
        f"All {sides} intervals of the data sets together hold with 95 % confidence, and so do all those of the means. "
        "--table differences shows them."
    )
