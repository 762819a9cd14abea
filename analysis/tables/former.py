"""The table of rows that belong to no cell of the frozen plan: shown apart, and never part of a mean."""

from __future__ import annotations

from analysis.former import former_rows
from analysis.keys import CELL
from analysis.records import Record, records
from analysis.study import ACCURACIES, Study
from analysis.tables.cells import is_varied, name_columns, name_words
from analysis.tables.numbers import number
from analysis.tables.table import Column, Entry, Table, text_column, word

_NOTE = (
    "These rows are part of no other table and of no mean. To make them count, launch a sweep file that asks for them."
)


def former_tables(study: Study) -> list[Table]:
    """Every row of a former plan, with how it differs from the plan; no table if there is none."""
    if study.results.former.empty:
        return []
    varied = is_varied(study.results.former)
    columns = (
        text_column("Trial"),
        *name_columns(varied=varied),
        Column(name="Seed"),
        text_column("Status"),
        Column(name=f"{study.accuracy.capitalize()} accuracy (%)"),
        text_column("Differs from the plan in"),
    )
    accuracy = ACCURACIES[study.accuracy]
    rows = former_rows(study).sort_values([*CELL, "seed", "finished_at"], kind="stable")
    entries = tuple(
        (word(row["trial_id"]), *name_words(row, varied=varied), *_row(row, accuracy)) for row in records(rows)
    )
    return [Table(title="Rows of former plans", columns=columns, rows=entries, notes=(_NOTE,))]


def _row(row: Record, accuracy: str) -> tuple[Entry, ...]:
    return (
        number(row["seed"]),
        word(row["status"]),
        number(row[accuracy], 2),
        word(f"former: {row['difference']}"),
    )
