"""Find damage in a run's results: one check, made by every command that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fdt_core.quantities import counted, listed
from fdt_core.results.columns import MADE_WITH_ROWS, TABLES
from fdt_core.results.parts import QUARANTINE, is_part, part_number, part_path, part_paths, table_directory
from fdt_core.results.reader import PartReader, StoredTable, read_part, read_table

if TYPE_CHECKING:
    import pyarrow as pa

_LOST_ROWS = {
    "trials": "or launch again: the trials whose rows are lost run again",
    "epochs": "because lost learning curves cannot be restored without training",
    "profiles": "or launch again: what is lost is measured again",
    "decisions": "or launch again: they follow from the other rows, and are written again",
}
"""What follows 'put a copy of it back, ' for each table."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with a run.

    Args:
        path: the file or folder concerned.
        what: what is wrong with it; follows the path in messages.
        repair: what the user can do.
    """

    path: Path
    what: str
    repair: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}: {self.repair}"


def find_damage(results: Path, part_reader: PartReader = read_part) -> tuple[Problem, ...]:
    """Find what is wrong with a run's `results` directory; nothing if it does not exist. Writes nothing.

    Finds missing, damaged and empty tables and parts, rows written twice, finished trials without their complete
    learning curves, files that do not belong there, and parts that a launch moved aside. Reads all tables completely.
    """
    if not results.is_dir():
        return ()
    # Trials first: a driver writes a trial's epochs before its row, so that no curve seems to lag behind.
    stored = {table: read_table(results, table, part_reader=part_reader) for table in TABLES}
    return tuple(
        chain(
            _missing_tables(results, stored),
            chain.from_iterable(_parts(results, table, stored[table]) for table in TABLES),
            _lost_curves(results, stored["trials"].rows, stored["epochs"].rows),
            _foreign(results),
            _quarantined(results),
        )
    )


def _missing_tables(results: Path, stored: Mapping[str, StoredTable]) -> Iterator[Problem]:
    """Tables without parts. A run without any rows is new, and its writer will make them."""
    if any(table.rows.num_rows or table.damaged for table in stored.values()):
        for table in TABLES.keys() - MADE_WITH_ROWS:
            if not part_paths(results, table):
                yield _lost(table_directory(results, table), table, "holds no parts")


def _parts(results: Path, table: str, stored: StoredTable) -> Iterator[Problem]:
    """Parts that are damaged, missing from the sequence, or empty although others follow; and duplicate rows."""
    for path in stored.damaged:
        yield _lost(path, table, "is damaged and left out")
    numbers = [part_number(path) for path in part_paths(results, table)]
    for number in sorted(set(range(max(numbers, default=0))) - set(numbers)):
        yield _lost(part_path(results, table, number), table, "is missing")
    for number in sorted(numbers)[:-1]:
        path = part_path(results, table, number)
        if path not in stored.damaged and not _row_count(path):
            yield _lost(path, table, "is empty although later parts follow")
    if stored.duplicates:
        yield Problem(
            path=table_directory(results, table),
            what=f"holds {counted(stored.duplicates, 'row')} twice",
            repair="nothing needs to be done, each is counted once",
        )


def _lost_curves(results: Path, trials: pa.Table, epochs: pa.Table) -> Iterator[Problem]:
    """Trials that are done but have fewer rows in `epochs` than they had epochs."""
    import pyarrow.compute as pc

    if not part_paths(results, "epochs"):
        return  # the whole table is missing, which is reported already
    attempt = ["trial_id", "attempt"]
    done = trials.filter(pc.equal(trials["status"], "done")).group_by(attempt).aggregate([("epochs", "max")])
    written = epochs.group_by(attempt).aggregate([("epoch", "count")])
    both = done.join(written, attempt)
    lacking = both.filter(pc.less(pc.fill_null(both["epoch_count"], 0), both["epochs_max"]))
    if names := sorted(set(lacking["trial_id"].to_pylist())):
        what = f"lacks epochs of {counted(len(names), 'finished trial')} ({listed(names)})"
        yield _lost(table_directory(results, "epochs"), "epochs", what)


def _foreign(results: Path) -> Iterator[Problem]:
    """Files that neither the writer nor a reader knows, except hidden ones, which readers skip too."""
    known = {*TABLES, QUARANTINE}
    unknown = [path for path in results.iterdir() if path.name not in known]
    for table in TABLES:
        directory = table_directory(results, table)
        if directory.is_dir():
            unknown += [path for path in directory.iterdir() if not is_part(path)]
    for path in sorted(path for path in unknown if not path.name.startswith(".")):
        yield Problem(
            path=path,
            what="does not belong there",
            repair="move it elsewhere, because pandas reads every file in a table's folder",
        )


def _quarantined(results: Path) -> Iterator[Problem]:
    for path in sorted((results / QUARANTINE).glob("*")):
        yield Problem(
            path=path,
            what="is a damaged part that a launch moved aside",
            repair="keep it if you want to rescue rows from it, else remove it with `fdt-sweep gc`",
        )


def _lost(path: Path, table: str, what: str) -> Problem:
    return Problem(path=path, what=what, repair=f"put a copy of it back, {_LOST_ROWS[table]}")


def _row_count(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
