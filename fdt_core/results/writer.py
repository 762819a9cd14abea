"""The only writer of a run's results.

Rows are appended by rewriting the last part: a temporary file outside the tables' directories, fsync, rename over the
old file. No file ever disappears and no row moves, so that a reader sees every table complete and free of duplicates
at any moment. A part that has PART_ROWS rows is not written again; the next one is started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdt_core.files.atomic_files import replace_durably
from fdt_core.results.columns import MADE_WITH_ROWS, TABLES, arrow_schema
from fdt_core.results.parts import PART_ROWS, QUARANTINE, part_number, part_path, part_paths, table_directory
from fdt_core.results.reader import PartReader, read_part

if TYPE_CHECKING:
    import pyarrow as pa

_FLUSH_SHARE = 0.05
"""Rewriting may take at most this share of the time: rows that arrive faster are written together."""


@dataclass
class _Part:
    """The last part of a table: its rows on disk and those waiting to be written."""

    number: int
    stored: pa.Table
    waiting: list[Mapping[str, Any]] = field(default_factory=list)
    flushed_at: float = 0.0
    flush_seconds: float = 0.0


class ResultsWriter:
    """Appends rows to the tables of a run.

    Args:
        results: the run's `results` directory; if missing, it is made, with an empty first part of each table that
            every run has.
        check_right_to_write: called before each write; raises if another driver has taken over.
        part_rows: how many rows a part may have.
        clock: a monotonic clock, in seconds.
        part_reader: reads the parts that exist at the start.

    Attributes:
        quarantined: damaged parts found at the start, moved to `results/quarantine`; their trials run again.

    Raises OSError if the disk is full or not writable: rows remain queued, and the next flush writes them.
    """

    def __init__(
        self,
        results: Path,
        *,
        check_right_to_write: Callable[[], None] = lambda: None,
        part_rows: int = PART_ROWS,
        clock: Callable[[], float] = time.monotonic,
        part_reader: PartReader = read_part,
    ) -> None:
        self._results = results
        self._read_part = part_reader
        self._check_right_to_write = check_right_to_write
        self._part_rows = part_rows
        self._clock = clock
        self._temporary = results / ".tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)
        self.quarantined: tuple[Path, ...] = tuple(path for table in TABLES for path in self._quarantine(table))
        self._parts = {table: self._open_last(table) for table in TABLES}

    def append(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep `rows` (keys as in `columns.TABLES`; missing keys are null) for the next flush to write.

        Raises KeyError for a key that is not a column.
        """
        known = set(arrow_schema(table).names)
        for row in rows:
            if unknown := row.keys() - known:
                raise KeyError(f"no columns of {table}: {sorted(unknown)}")
        self._parts[table].waiting.extend(rows)

    def flush(self, *tables: str) -> None:
        """Write the waiting rows of `tables`, by default of all, durably."""
        for table in tables or TABLES:
            self._flush(table)

    def flush_due(self, table: str, every: float = 0.0) -> bool:
        """Write the waiting rows, unless the last write was less than `every` seconds ago or too recent.

        Too recent means that rewriting the growing part would take more than a fixed share of the time. Returns
        whether nothing is waiting now.
        """
        part = self._parts[table]
        pause = max(every, part.flush_seconds / _FLUSH_SHARE)
        if part.waiting and self._clock() - part.flushed_at >= pause:
            self._flush(table)
        return not part.waiting

    def _flush(self, table: str) -> None:
        """Fill the last part, and start new ones for the rows that are left."""
        import pyarrow as pa

        part = self._parts[table]
        started = self._clock()
        while part.waiting:
            if part.stored.num_rows >= self._part_rows:
                part.number, part.stored = part.number + 1, arrow_schema(table).empty_table()
            batch = part.waiting[: self._part_rows - part.stored.num_rows]
            new = pa.Table.from_pylist([dict(row) for row in batch], schema=arrow_schema(table))
            merged = pa.concat_tables([part.stored, new]).combine_chunks()
            self._write(table, part.number, merged)
            part.stored, part.waiting = merged, part.waiting[len(batch) :]
        part.flushed_at = self._clock()
        part.flush_seconds = part.flushed_at - started

    def _write(self, table: str, number: int, rows: pa.Table) -> None:
        import pyarrow.parquet as pq

        self._check_right_to_write()
        table_directory(self._results, table).mkdir(parents=True, exist_ok=True)
        temporary = self._temporary / f"{table}-{number:06d}.parquet"
        pq.write_table(rows, temporary, compression="zstd", write_page_checksum=True)
        replace_durably(temporary, part_path(self._results, table, number))

    def _open_last(self, table: str) -> _Part:
        """The last part, or a new empty one, which is written so that readers find a schema."""
        paths = part_paths(self._results, table)
        if not paths:
            if table not in MADE_WITH_ROWS:
                self._write(table, 0, arrow_schema(table).empty_table())
            return _Part(number=0, stored=arrow_schema(table).empty_table())
        return _Part(number=part_number(paths[-1]), stored=self._read_part(paths[-1], table))

    def _quarantine(self, table: str) -> list[Path]:
        """Copy damaged parts to `results/quarantine` and replace them with empty ones."""
        import pyarrow as pa

        moved = []
        for path in part_paths(self._results, table):
            try:
                self._read_part(path, table)
            except (pa.ArrowException, OSError):
                keep = self._results / QUARANTINE / f"{table}-{path.stem}-{time.time_ns()}.parquet"
                keep.parent.mkdir(exist_ok=True)
                keep.write_bytes(path.read_bytes())
                self._write(table, part_number(path), arrow_schema(table).empty_table())
                moved.append(keep)
        return moved
