"""The tables of differences in accuracy, to base or between runs, with what the seeds allow one to conclude."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from analysis.keys import BLOCK, dataset_order, model_name
from analysis.recipes import unlike_runs
from analysis.records import Record, records
from analysis.statistics.limits import NOT_CORRECTED, statements, uneven_templates
from analysis.statistics.paired import paired_tests
from analysis.statistics.seeds_needed import MOST, POWER, RANGE, likely_seeds
from analysis.statistics.verdicts import is_separated
from analysis.study import Study
from analysis.tables.cells import is_varied
from analysis.tables.numbers import count, number, p_value
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.results.keys import BASE

_COLUMNS = (
    Column(name="Difference", unit="points"),
    Column(name="95 % interval", parts=("low", "high"), key="interval", unit="points"),
    Column(name="Seeds"),
    Column(name="p"),
    Column(name="Effect g"),
    text_column("Verdict"),
    Column(name="Seeds needed", parts=("low", "high")),
)

_PAIRED_COLUMNS = (
    Column(name="Difference", unit="points"),
    Column(name="Std", unit="points"),
    Column(name="95 % interval", parts=("low", "high"), key="interval", unit="points"),
    Column(name="Seeds"),
    Column(name="p"),
    Column(name="Holm p"),
)

_ABOUT_COLUMNS = (
    "p: of no difference (one-sided: of no gain), corrected for the whole table. Effect g: the difference over that "
    "standard deviation, corrected like Hedges' g. Seeds needed: how many in all would separate the two with "
    f"{100 * POWER:.0f} % certainty; the truth is in this range in {100 * RANGE:.0f} of 100 cases."
)


_ABOUT_PAIRED = (
    "Each difference is tested by its own seeds alone, which finds little with few seeds; each interval is for its "
    "difference alone. Holm p: corrected for the whole table. --table differences uses all seeds of a model on a data "
    "set."
)


def difference_tables(study: Study) -> list[Table]:
    """The differences to base; with several runs, also those of each run to the first."""
    several, margin = study.cells["run"].nunique() > 1, study.question.margin
    to_base = difference_table(study.differences, f"Accuracy ({study.accuracy} epoch) minus {BASE}'s", margin)
    uneven = () if study.is_adaptive else uneven_templates(study.accuracies)
    tables = [replace(to_base, notes=(*to_base.notes, *uneven))]
    if several:
        first = next(iter(study.results.paths))
        title = f"Accuracy ({study.accuracy} epoch) minus that of run {first}"
        between = difference_table(study.differences_between_runs, title, margin)
        uncorrected = (NOT_CORRECTED,) if study.results.looks else ()
        tables.append(replace(between, notes=(*unlike_runs(study), *between.notes, *uncorrected)))
    return tables


def difference_table(differences: pd.DataFrame, title: str, margin: float) -> Table:
    """A frame of `differences` as a table in points of accuracy, with sentences on what it shows."""
    fixed = differences.assign(effect=differences["effect"].where(differences["look"].isna()))
    shown = differences.assign(separated=is_separated(differences), **likely_seeds(fixed))
    notes = statements(differences, margin)
    return named_table(shown, title, _COLUMNS, _row, notes if differences.empty else (*notes, _ABOUT_COLUMNS))


def in_reading_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows block by block, then by data set and template."""
    places = {name: place for place, name in enumerate(dataset_order(frame["dataset"]))}
    ordered = frame.assign(place=frame["dataset"].map(places))
    return ordered.sort_values([*BLOCK, "place", "template"], kind="stable")


def named_table(
    frame: pd.DataFrame,
    title: str,
    columns: tuple[Column, ...],
    row: Callable[[Record], tuple[Entry, ...]],
    notes: tuple[str, ...],
) -> Table:
    """The table of a frame of cells: the names of each, then what `row` makes of it.

    The names are model (after its run, if there are several), variant (if there are any), data set and template.
    """
    several, varied = frame["run"].nunique() > 1, is_varied(frame)

    def names(record: Record) -> tuple[Entry, ...]:
        model = model_name(record["model"], record["width"])
        variant = [record["variant"]] if varied else []
        shown = f"{record['run']}: {model}" if several else model
        return tuple(map(word, (shown, *variant, record["dataset"], record["template"])))

    of_names = (
        text_column("Model"),
        *([text_column("Variant")] if varied else []),
        text_column("Data set", key="dataset"),
        text_column("Template"),
    )
    rows = tuple((*names(record), *row(record)) for record in records(in_reading_order(frame)))
    return Table(title=title, columns=(*of_names, *columns), rows=rows, notes=notes)


def interval(low: float, high: float) -> Entry:
    """The limits of a difference in two parts; absent for NaN."""
    if math.isnan(low):
        return Entry()
    return Entry(parts=(f"{low:+z.2f}", f"{high:+z.2f}"), values=(low, high), joint=" .. ")


def _row(record: Record) -> tuple[Entry, ...]:
    return (
        number(record["difference"], 2, signed=True, best=record["separated"]),
        interval(record["low"], record["high"]),
        count(record["pairs"]),
        p_value(record["p"]),
        number(record["effect"], 1, signed=True),
        word(record["verdict"]),
        _seeds_needed(record["seeds_low"], record["seeds_high"]),
    )


def _seeds_needed(low: float, high: float) -> Entry:
    """The range of seeds that would be needed; absent for NaN."""
    if math.isnan(low):
        return Entry()
    parts = tuple(f"> {MOST}" if math.isinf(limit) else f"{limit:.0f}" for limit in (low, high))
    return Entry(parts=tuple(dict.fromkeys(parts)), values=(low, high), joint=" .. ")


def paired_tables(study: Study) -> list[Table]:
    """The differences to base, each tested by its own seeds alone."""
    title = f"Accuracy ({study.accuracy} epoch) minus {BASE}'s: paired t tests"
    return [named_table(paired_tests(study.accuracies), title, _PAIRED_COLUMNS, _paired_row, (_ABOUT_PAIRED,))]


def _paired_row(record: Record) -> tuple[Entry, ...]:
    return (
        number(record["difference"], 2, signed=True),
        number(record["std"], 2),
        interval(record["low"], record["high"]),
        count(record["pairs"]),
        p_value(record["p"]),
        p_value(record["p_holm"]),
    )
