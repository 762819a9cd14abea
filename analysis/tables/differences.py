"""The table of differences in accuracy, to base or between runs, with what the seeds allow one to conclude."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from analysis.keys import BASE, dataset_order, model_name
from analysis.recipes import unlike_runs
from analysis.records import Record, records
from analysis.statistics.differences import SEPARATED, Verdict
from analysis.statistics.limits import statements
from analysis.statistics.seeds_needed import MOST
from analysis.study import Study
from analysis.tables.numbers import count, number, p_value
from analysis.tables.table import Column, Entry, Table, text_column, word

_COLUMNS = (
    text_column("Model"),
    text_column("Data set"),
    text_column("Template"),
    Column(name="Difference"),
    Column(name="95 % interval", parts=("low", "high")),
    Column(name="Seeds"),
    Column(name="Holm p"),
    Column(name="Effect g"),
    text_column("Verdict"),
    Column(name="More seeds"),
)

_ABOUT_SEEDS = (
    "Effect g: Hedges' g. More seeds: how many would separate the two with 80 % certainty, at a level corrected for "
    "all tests of this table, if the true difference and spread were as observed; with few seeds, a rough guess."
)


def difference_tables(study: Study) -> list[Table]:
    """The differences to base; with several runs, also those of each run to the first."""
    several = study.cells["run"].nunique() > 1
    tables = [difference_table(study.differences, f"Accuracy ({study.accuracy} epoch) minus {BASE}'s")]
    if several:
        first = next(iter(study.results.paths))
        title = f"Accuracy ({study.accuracy} epoch) minus that of run {first}"
        between = difference_table(study.differences_between_runs, title)
        tables.append(replace(between, notes=(*unlike_runs(study), *between.notes)))
    return tables


def difference_table(differences: pd.DataFrame, title: str) -> Table:
    """A frame of `paired_differences` as a table in points of accuracy, with sentences on what it shows."""
    several = differences["run"].nunique() > 1
    places = {name: place for place, name in enumerate(dataset_order(differences["dataset"]))}
    ordered = differences.assign(place=differences["dataset"].map(places))
    ordered = ordered.sort_values(["run", "model", "width", "place", "template"], kind="stable")
    rows = tuple(_row(record, several) for record in records(ordered))
    notes = statements(differences) if differences.empty else (*statements(differences), _ABOUT_SEEDS)
    return Table(title=title, columns=_COLUMNS, rows=rows, notes=notes)


def _row(record: Record, several: bool) -> tuple[Entry, ...]:
    model = model_name(record["model"], record["width"])
    separated = record["verdict"] in SEPARATED
    return (
        word(f"{record['run']}: {model}" if several else model),
        word(record["dataset"]),
        word(record["template"]),
        number(record["difference"], 2, signed=True, best=separated),
        _interval(record["low"], record["high"]),
        count(record["pairs"]),
        p_value(record["p_holm"]),
        number(record["effect"], 1, signed=True),
        word(record["verdict"]),
        _more_seeds(record),
    )


def _more_seeds(record: Record) -> Entry:
    """How many more seeds would separate the two cells; absent if they are separated or untested."""
    if record["verdict"] != Verdict.NOT_SEPARATED:
        return Entry()
    have, needed = record["pairs"], record["seeds_needed"]
    more = f"> {MOST - have}" if math.isinf(needed) else f"{max(1, int(needed) - have)}"
    return Entry(parts=(more,), value=needed)


def _interval(low: float, high: float) -> Entry:
    if math.isnan(low):
        return Entry()
    return Entry(parts=(f"{low:+z.2f}", f"{high:+z.2f}"), value=low, joint=" .. ")
