"""The table of rows that no cell of the frozen plan owns: shown apart, and never part of a mean."""

from __future__ import annotations

from analysis.former import former_rows
from analysis.keys import CELL
from analysis.records import records
from analysis.study import Study
from analysis.tables.table import Table, text_column, word
from analysis.tables.trials import TRIAL_COLUMNS, trial_entries

_NOTE = (
    "These rows are part of no other table and of no mean. Launching a sweep file that asks for them makes them count."
)


def former_tables(study: Study) -> list[Table]:
    """Every row of a former plan, with what differs from the plan; no table where there is none."""
    if study.results.former.empty:
        return []
    rows = former_rows(study).sort_values([*CELL, "seed", "finished_at"], kind="stable")
    return [
        Table(
            title="Rows of former plans",
            columns=(text_column("Differs from the plan in"), *TRIAL_COLUMNS),
            rows=tuple((word(f"former: {row['difference']}"), *trial_entries(row)) for row in records(rows)),
            notes=(_NOTE,),
        )
    ]
