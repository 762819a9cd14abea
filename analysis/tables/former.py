"""The table of rows that belong to no cell of the frozen plan: shown apart, and never part of a mean."""

from __future__ import annotations

from analysis.former import former_rows
from analysis.keys import CELL, model_name
from analysis.records import Record, records
from analysis.study import ACCURACIES, Study
from analysis.tables.numbers import number
from analysis.tables.table import Column, Entry, Table, text_column, word

_NOTE = (
    "These rows are part of no other table and of no mean. To make them count, launch a sweep file that asks for them."
)


def former_tables(study: Study) -> list[Table]:
    """Every row of a former plan, with how it differs from the plan; no table if there is none."""
    if study.results.former.empty:
        return []
    columns = (
        *map(text_column, ("Trial", "Run", "Model", "Template")),
        text_column("Data set", key="dataset"),
        Column(name="Seed"),
        text_column("Status"),
        Column(name=f"{study.accuracy.capitalize()} accuracy (%)"),
        text_column("Differs from the plan in"),
    )
    accuracy = ACCURACIES[study.accuracy]
    rows = former_rows(study).sort_values([*CELL, "seed", "finished_at"], kind="stable")
    entries = tuple(_row(row, accuracy) for row in records(rows))
    return [Table(title="Rows of former plans", columns=columns, rows=entries, notes=(_NOTE,))]


def _row(row: Record, accuracy: str) -> tuple[Entry, ...]:
    names = (row["trial_id"], row["run"], model_name(row["model"], row["width"]), row["template"], row["dataset"])
    return (
        *map(word, names),
        number(row["seed"]),
        word(row["status"]),
        number(row[accuracy], 2),
        word(f"former: {row['difference']}"),
    )
