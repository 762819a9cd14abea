"""The check for damage finds whatever happened to a run's results, and raises no false alarm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.results.columns import arrow_schema
from fdt_core.results.damage import find_damage
from fdt_core.results.parts import part_path
from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter

TRIALS, EPOCHS, PART_ROWS = 5, 3, 4


def trial(number: int, **given: object) -> dict[str, object]:
    return {
        "trial_id": f"trial{number}", "sweep": "s", "model": "m", "template": "t", "dataset": "d",
        "budget_rule": "nearest", "attempt": 1, "status": "done", "epochs": EPOCHS, **given,
    }  # fmt: skip


def epochs(number: int, **given: object) -> list[dict[str, object]]:
    return [{"trial_id": f"trial{number}", "attempt": 1, "epoch": epoch, **given} for epoch in range(1, EPOCHS + 1)]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of five trials in several parts each."""
    store = ResultsWriter(tmp_path / "results", part_rows=PART_ROWS)
    for number in range(TRIALS):
        store.append("epochs", epochs(number))
        store.append("trials", [trial(number)])
    store.append("profiles", [{"model": "m"}])
    store.flush()
    return tmp_path / "results"


def cut_short(path: Path, size: int) -> None:
    os.truncate(path, size)


def write_part(results: Path, table: str, number: int, rows: list[dict[str, object]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(table)), part_path(results, table, number))


def quarantine_a_part(results: Path) -> None:
    os.truncate(part_path(results, "epochs", 3), 9)
    ResultsWriter(results)


def flip_a_bit_of_the_data(results: Path) -> None:
    """In the middle of a page of values."""
    path = part_path(results, "trials", 0)
    content = bytearray(path.read_bytes())
    offset = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    content[offset + 60] ^= 1
    path.write_bytes(content)


BLOWS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a part cut short": (
        lambda r: cut_short(part_path(r, "trials", 0), 500), "part-000000.parquet is damaged", "the trials whose"
    ),
    "a flipped bit": (flip_a_bit_of_the_data, "part-000000.parquet is damaged", "launch again"),
    "a part lost": (lambda r: part_path(r, "epochs", 1).unlink(), "epochs/part-000001.parquet is missing", "copy"),
    "a part emptied": (lambda r: write_part(r, "epochs", 0, []), "is empty although later parts follow", "copy"),
    "a table lost": (lambda r: shutil.rmtree(r / "profiles"), "profiles holds no parts", "measured again"),
    "trials lost": (lambda r: shutil.rmtree(r / "trials"), "trials holds no parts", "launch again"),
    "a copy": (lambda r: (r / "trials" / "part-000000_old.parquet").write_bytes(b""), "does not belong", "move it"),
    "a folder": (lambda r: (r / "epochs" / "backup").mkdir(), "epochs/backup does not belong there", "move it"),
    "an unknown table": (lambda r: (r / "notes.csv").write_text("x"), "notes.csv does not belong there", "move it"),
    "another table's part": (
        lambda r: shutil.copy(part_path(r, "epochs", 0), part_path(r, "trials", 0)), "000000.parquet is damaged", "copy"
    ),
    "rows twice": (lambda r: write_part(r, "trials", 2, [trial(0), trial(1)]), "holds 2 rows twice", "counted once"),
    "a curve cut short": (
        lambda r: write_part(r, "epochs", 3, epochs(4)[:1]), "lacks epochs of 1 finished trial (trial4)", "training"
    ),
    "quarantine": (quarantine_a_part, "moved aside", "`fdt-sweep gc`"),
}  # fmt: skip


def test_intact_results_have_no_problems(results: Path) -> None:
    assert find_damage(results) == ()


@pytest.mark.parametrize("blow", BLOWS)
def test_each_kind_of_damage_is_reported_in_one_line_with_its_remedy(results: Path, blow: str) -> None:
    strike, what, repair = BLOWS[blow]
    strike(results)
    found = [str(problem) for problem in find_damage(results)]
    assert any(what in line and repair in line for line in found), found
    assert all("\n" not in line for line in found)


def test_an_emptied_table_of_epochs_is_found_although_every_part_is_readable(results: Path) -> None:
    for number in range(4):
        write_part(results, "epochs", number, [])
    assert any("lacks epochs of 5 finished trials (trial0, trial1, trial2 and 2 more)" in str(problem)
               for problem in find_damage(results))  # fmt: skip


def test_new_unfinished_and_failed_runs_are_not_damaged(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert find_damage(results) == ()
    results.mkdir()
    assert find_damage(results) == ()
    store = ResultsWriter(results)
    assert find_damage(results) == ()
    store.append("epochs", epochs(0)[:2])
    store.append("trials", [trial(1, status="failed"), trial(2, status="diverged")])
    store.flush()
    assert find_damage(results) == ()


def test_a_repeated_measurement_is_not_a_duplicate_row(tmp_path: Path) -> None:
    store = ResultsWriter(tmp_path)
    times = [{"model": "m", "measured_at": when} for when in (1_000_000, 2_000_000)]
    store.append("profiles", times)
    store.flush()
    assert find_damage(tmp_path) == ()
    assert read_table(tmp_path, "profiles").rows.num_rows == 2


def test_hidden_files_of_file_systems_are_ignored(results: Path) -> None:
    (results / "trials" / ".nfs0000001").write_bytes(b"")
    (results / ".DS_Store").write_bytes(b"")
    assert find_damage(results) == ()


def test_the_check_writes_nothing(results: Path) -> None:
    os.truncate(part_path(results, "trials", 0), 9)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    find_damage(results)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.oracle
def test_every_changed_byte_of_a_page_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Either the rows read are those written, or the part is reported as damaged; never an exception."""
    results = tmp_path_factory.mktemp("results")
    store = ResultsWriter(results)
    store.append("epochs", [row for number in range(3) for row in epochs(number, train_loss=0.5, seconds=1.0)])
    store.flush()
    path, written = part_path(results, "epochs", 0), read_table(results, "epochs").rows
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    place = data.draw(st.integers(4, len(content) - footer - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    stored = read_table(results, "epochs")
    assert stored.damaged == (path,) or stored.rows.equals(written)
    assert bool(stored.damaged) == any("is damaged" in str(problem) for problem in find_damage(results))
