"""The table of failures by signature."""

from __future__ import annotations

from analysis.failures import failures_by_signature
from analysis.records import records
from analysis.study import Study
from analysis.tables.numbers import number
from analysis.tables.table import Column, Table, text_column, word

_NAMES = {"run": "Run", "failure_kind": "Kind", "signature": "Error", "models": "Models", "variants": "Variants",
          "templates": "Templates", "datasets": "Data sets", "trial_id": "Example"}  # fmt: skip


def failure_tables(study: Study) -> list[Table]:
    """Failed attempts by error; no table if nothing failed."""
    groups = failures_by_signature(study.results.trials)
    if groups.empty:
        return []
    names = {name: title for name, title in _NAMES.items() if name != "variants" or groups["variants"].any()}
    columns = (Column(name="Attempts"), *map(text_column, names.values()))
    rows = tuple(
        (number(record["attempts"]), *(word(str(record[name])) for name in names)) for record in records(groups)
    )
    notes = ("Every failed attempt counts, even if a retry succeeded. fdt-sweep logs RUN TRIAL shows a trial's log.",)
    return [Table(title="Failed attempts by error", columns=columns, rows=rows, notes=notes)]
