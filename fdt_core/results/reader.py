"""Read the results: intact parts only, in today's schema, duplicate rows dropped and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fdt_core.results.columns import TABLES, arrow_schema
from fdt_core.results.decisions import COMPARISON
from fdt_core.results.keys import CELL_KEY
from fdt_core.results.parts import part_paths

if TYPE_CHECKING:
    import pyarrow as pa

ROW_KEYS = {
    "trials": (*CELL_KEY, "attempt"),
    "epochs": ("trial_id", "attempt", "epoch"),
    # A network may be measured again, and the latest measurement counts: see `keys.measurement_key`.
    "profiles": (
        "sweep",
        "model",
        "width",
        "template",
        "dataset",
        "device_name",
        "threads",
        "precision",
        "measured_at",
    ),
    # A look may be taken again, and the latest decision holds: see `decisions.current_decisions`.
    "decisions": ("sweep", *COMPARISON, "look", "decided_at"),
}
"""What identifies a row of each table."""


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table as stored: its rows, the parts that could not be read, and the number of duplicate rows dropped."""

    rows: pa.Table
    damaged: tuple[Path, ...]
    duplicates: int


def read_part(path: Path, table: str) -> pa.Table:
    """Read one part in today's schema: columns no longer known are dropped, those that it lacks are filled in.

    A column that the part lacks is null, or `Column.before` if that is known: the default of a recipe's new field.

    Raises pyarrow.ArrowException or OSError for a damaged file, or one that is not a part of this table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        stored = file.read()
    if not _required(table) <= set(stored.column_names):
        raise pa.ArrowInvalid(f"{path} holds no rows of {table}")
    schema = arrow_schema(table)
    if stored.schema.equals(schema):
        return stored
    columns = [
        stored.column(field.name).cast(field.type)
        if field.name in stored.column_names
        else pa.array([column.before] * stored.num_rows, field.type)
        for column, field in zip(TABLES[table], schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


def _required(table: str) -> set[str]:
    """The columns that every part of a table has, however old it is."""
    return {column.name for column in TABLES[table] if column.name in ROW_KEYS[table] and column.before is None}


PartReader = Callable[[Path, str], "pa.Table"]
"""Reads one part of a table, as `read_part` does."""


def read_table(
    results: Path, table: str, columns: Sequence[str] | None = None, *, part_reader: PartReader = read_part
) -> StoredTable:
    """Read `table` (a key of `columns.TABLES`) from a run's `results` directory.

    Rows come in the order they were written. Of rows with the same key (see ROW_KEYS) the first is kept: a writer that
    lost its lease to another one may have appended a row again.
    """
    import pyarrow as pa

    schema = arrow_schema(table)
    tables, damaged = [], []
    for path in part_paths(results, table):
        try:
            tables.append(part_reader(path, table))
        except (pa.ArrowException, OSError):
            damaged.append(path)
    rows = pa.concat_tables(tables) if tables else schema.empty_table()
    kept = _without_duplicates(rows, ROW_KEYS[table])
    duplicates = rows.num_rows - kept.num_rows
    if columns is not None:
        kept = kept.select(list(columns))
    return StoredTable(rows=kept, damaged=tuple(damaged), duplicates=duplicates)


def _without_duplicates(rows: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """The first row of each key, in the order of the rows."""
    import pyarrow as pa

    numbered = rows.select(list(key)).append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    first = numbered.group_by(list(key), use_threads=False).aggregate([("row", "min")])
    if first.num_rows == rows.num_rows:
        return rows
    return rows.take(first.column("row_min").combine_chunks().sort())
