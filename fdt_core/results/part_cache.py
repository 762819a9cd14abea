"""Decoded parts of a run's results, kept for as long as their files do not change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fdt_core.results.reader import read_part

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Mark:
    """What distinguishes a file from its successor: the writer replaces parts whole."""

    inode: int
    size: int
    modified: int
    """Nanoseconds since the epoch."""


@dataclass(frozen=True)
class _Kept:
    mark: _Mark
    table: str
    rows: pa.Table


class PartCache:
    """Reads parts like `reader.read_part`, and decodes each only once until its file changes.

    A launch looks at the same rows for its ledger, its estimate, its plan change and its damage. Every call asks the
    file system whether the part has changed, so what it returns is never older than the call.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, _Kept] = {}

    def __call__(self, path: Path, table: str) -> pa.Table:
        """One part, as `read_part` returns it; raises as it does."""
        mark = _mark(path)  # before reading: a part replaced meanwhile is read again next time
        kept = self._kept.get(path)
        if kept is None or (kept.mark, kept.table) != (mark, table):
            kept = self._kept[path] = _Kept(mark, table, read_part(path, table))
        return kept.rows

    def forget(self, table: str) -> None:
        """Release the memory of a table."""
        self._kept = {path: kept for path, kept in self._kept.items() if kept.table != table}


def _mark(path: Path) -> _Mark:
    """The mark of the file at `path` now.

    Opening the file makes NFS ask its server again (close-to-open consistency), whereas `stat` may answer from
    attributes that are up to a minute old. A writer that trusted those would overwrite another one's rows.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
    return _Mark(found.st_ino, found.st_size, found.st_mtime_ns)
