"""All cells in one long table, for programs and for looking things up; and the columns that name a cell."""

from __future__ import annotations

import pandas as pd

from analysis.costs import Cost, measured_costs
from analysis.keys import BLOCK, STATUSES, model_name
from analysis.records import Record, records
from analysis.study import Study
from analysis.tables.comparison import Layout, absence, accuracy_title
from analysis.tables.numbers import count, mean_and_std, number
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.results.keys import BASE

_DEVICES = {
    "latency_device": ("Inference on", {"latency"}),
    "train_device": ("Training on", {"training", "peak_memory"}),
}
"""Heading of the column with the device of measured costs, and the names of these costs."""


def is_varied(frame: pd.DataFrame) -> bool:
    """Whether any row belongs to a variant with a name."""
    return bool((frame["variant"] != "").any())


def name_columns(*, varied: bool) -> tuple[Column, ...]:
    """Run, model, variant, template and data set."""
    names = ("Run", "Model", *(["Variant"] if varied else []), "Template")
    return (*map(text_column, names), text_column("Data set", key="dataset"))


def name_words(row: Record, *, varied: bool) -> tuple[Entry, ...]:
    """The entries of `name_columns`."""
    variant = [row["variant"]] if varied else []
    model = model_name(row["model"], row["width"])
    return tuple(map(word, (row["run"], model, *variant, row["template"], row["dataset"])))


def cell_table(study: Study, layout: Layout) -> Table:
    """A row per cell: seeds by status, accuracy, costs, and where these were measured."""
    costs = measured_costs(study.cells, layout.costs, paper=layout.rounding.percent_of_shown)
    measured = {cost.name for cost in costs}
    varied = is_varied(study.cells)
    devices = {column: heading for column, (heading, names) in _DEVICES.items() if measured & names}
    columns = (
        *name_columns(varied=varied),
        *(Column(name=status, group="Seeds") for status in STATUSES),
        Column(name=accuracy_title(study), parts=("mean", "std"), unit="%"),
        Column(name="Budget error (%)", unit="%"),
        *(Column(name=cost.title, key=cost.column, unit=cost.stored_unit) for cost in costs),
        *(text_column(heading, key=column) for column, heading in devices.items()),
    )
    places = {name: place for place, name in enumerate(study.datasets)}
    ordered = study.cells.assign(place=study.cells["dataset"].map(places), other=study.cells["template"] != BASE)
    ordered = ordered.sort_values([*BLOCK, "place", "other", "template"], kind="stable")
    rows = tuple(
        (*name_words(cell, varied=varied), *_row(cell, costs, list(devices), layout)) for cell in records(ordered)
    )
    return Table(title="All cells", columns=columns, rows=rows)


def _row(cell: Record, costs: list[Cost], devices: list[str], layout: Layout) -> tuple[Entry, ...]:
    return (
        *(count(cell[status]) for status in STATUSES),
        mean_and_std(cell["mean"], cell["std"], layout.decimals, layout.rounding, absent=absence(cell)),
        number(100 * cell["budget_error"], 2, layout.rounding),
        *(number(cell[cost.column], cost.decimals, layout.rounding, scale=cost.scale) for cost in costs),
        *(word(name) if isinstance(name := cell[column], str) else Entry() for column in devices),
    )
