"""The columns of the results as tables."""

from __future__ import annotations

from analysis.tables.table import Table, text_column, word
from fdt_core.results.columns import SCHEMA_VERSION, TABLES

_COLUMNS = tuple(map(text_column, ("Column", "Type", "Unit", "Volatile", "Description")))


def schema_tables() -> list[Table]:
    """One table for each Parquet table of a run directory."""
    return [
        Table(
            title=f"{name} (results/{name}/*.parquet, schema version {SCHEMA_VERSION})",
            columns=_COLUMNS,
            rows=tuple(
                tuple(map(word, (c.name, c.type, c.unit, "yes" if c.volatile else "", c.description))) for c in columns
            ),
        )
        for name, columns in TABLES.items()
    ]
