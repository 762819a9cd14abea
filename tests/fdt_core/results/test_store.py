"""The results store: what readers see at any moment, and what the writer does with existing files."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.results import parts
from fdt_core.results.columns import MADE_WITH_ROWS, SCHEMA_VERSION, TABLES, arrow_schema
from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter
from fdt_core.trial.identity import is_added
from fdt_core.trial.recipe import Recipe


def trial(number: int, **changes: object) -> dict[str, object]:
    return {
        "trial_id": f"trial{number}",
        "sweep": "s",
        "model": "m",
        "template": "t",
        "dataset": "d",
        "budget_rule": "nearest",
        "attempt": 1,
        "widths": [1, 2, 3],
        **changes,
    }


def ids(results: Path) -> list[str]:
    return list(pd.read_parquet(results / "trials").trial_id)


def test_a_new_run_has_an_empty_part_of_every_table_that_all_runs_have(tmp_path: Path) -> None:
    ResultsWriter(tmp_path)
    for table in TABLES.keys() - MADE_WITH_ROWS:
        frame = pd.read_parquet(tmp_path / table)
        assert len(frame) == 0
        assert list(frame.columns) == [column.name for column in TABLES[table]]
    assert not (tmp_path / "decisions").exists()


def test_parts_from_before_a_column_of_the_key_are_read_and_appended_to(tmp_path: Path) -> None:
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(0, variant="")])
    store.flush()
    (part,) = parts.part_paths(tmp_path, "trials")
    pq.write_table(pq.read_table(part).drop_columns(["variant"]), part)
    again = ResultsWriter(tmp_path)
    assert again.quarantined == ()
    again.append("trials", [trial(1, variant="lr_low")])
    again.flush()
    assert pd.read_parquet(tmp_path / "trials")[["trial_id", "variant"]].to_numpy().tolist() == [
        ["trial0", ""],
        ["trial1", "lr_low"],
    ]


def test_every_column_has_a_description_and_a_known_type() -> None:
    for table, columns in TABLES.items():
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.description for column in columns)
        assert arrow_schema(table).metadata == {b"fdt_schema_version": str(SCHEMA_VERSION).encode()}


@settings(max_examples=12, deadline=None)
@given(batches=st.lists(st.integers(min_value=0, max_value=9), max_size=8), part_rows=st.integers(1, 7))
@pytest.mark.study
def test_rows_stay_in_order_and_in_their_parts(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], part_rows: int
) -> None:
    results = tmp_path_factory.mktemp("results")
    written = 0
    for count in batches:
        store = ResultsWriter(results, part_rows=part_rows)  # a new writer for each batch, as after a restart
        store.append("trials", [trial(written + number) for number in range(count)])
        store.flush()
        written += count
        assert ids(results) == [f"trial{number}" for number in range(written)]
    for path in parts.part_paths(results, "trials")[:-1]:
        assert pq.read_metadata(path).num_rows == part_rows


def test_pandas_pyarrow_and_polars_read_the_directory(tmp_path: Path) -> None:
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(1), trial(2)])
    store.flush()
    directory = tmp_path / "trials"
    assert len(pd.read_parquet(directory)) == pq.read_table(directory).num_rows == 2
    assert len(pl.read_parquet(directory, use_pyarrow=True)) == 2


def test_other_files_beside_the_parts_are_ignored(tmp_path: Path) -> None:
    written = ResultsWriter(tmp_path)
    written.append("trials", [trial(number) for number in range(3)])
    written.flush()
    table = parts.table_directory(tmp_path, "trials")
    for name in ("part-000000_old.parquet", "part-000000 (copy).parquet", "part-1.parquet", "part-00000x.parquet"):
        (table / name).write_bytes(b"not a part")
    (part,) = parts.part_paths(tmp_path, "trials")
    assert part.name == "part-000000.parquet"
    assert ResultsWriter(tmp_path).quarantined == ()
    assert read_table(tmp_path, "trials").rows.num_rows == 3


def test_a_row_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="colour"):
        ResultsWriter(tmp_path).append("trials", [trial(1, colour="blue")])


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"x" * 5000])
def test_a_damaged_part_is_quarantined_and_reported(tmp_path: Path, damage: bytes) -> None:
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(1)])
    store.flush()
    part = parts.part_path(tmp_path, "trials", 0)
    part.write_bytes(damage)
    assert read_table(tmp_path, "trials").damaged == (part,)
    again = ResultsWriter(tmp_path)
    (kept,) = again.quarantined
    assert kept.read_bytes() == damage
    assert ids(tmp_path) == []
    again.append("trials", [trial(1)])
    again.flush()
    assert ids(tmp_path) == ["trial1"]


def test_rows_written_twice_are_read_once_and_counted(tmp_path: Path) -> None:
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(1), trial(2), trial(1)])
    store.flush()
    stored = read_table(tmp_path, "trials")
    assert stored.rows.column("trial_id").to_pylist() == ["trial1", "trial2"]
    assert stored.duplicates == 1


def test_columns_that_an_older_schema_lacks_are_read_as_nulls(tmp_path: Path) -> None:
    ResultsWriter(tmp_path)
    old = arrow_schema("trials").remove(arrow_schema("trials").get_field_index("activations"))
    path = parts.part_path(tmp_path, "trials", 0)
    pq.write_table(pa.Table.from_pylist([trial(1)], schema=old), path)
    rows = read_table(tmp_path, "trials").rows
    assert rows.schema.equals(arrow_schema("trials"))
    assert rows.column("activations").to_pylist() == [None]
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(2)])
    store.flush()
    assert ids(tmp_path) == ["trial1", "trial2"]


def test_recipe_fields_that_an_older_schema_lacks_are_read_as_their_defaults(tmp_path: Path) -> None:
    ResultsWriter(tmp_path)
    recipe = Recipe()
    added = [field.name for field in dataclasses.fields(Recipe) if is_added(field)]
    schema = arrow_schema("trials")
    old = pa.schema([field for field in schema if field.name not in added], metadata=schema.metadata)
    path = parts.part_path(tmp_path, "trials", 0)
    pq.write_table(pa.Table.from_pylist([trial(1), trial(2)], schema=old), path)
    store = ResultsWriter(tmp_path)
    store.append("trials", [trial(3, optimiser="adamw", betas=[0.8, 0.9], mixup=0.2)])
    store.flush()
    rows = read_table(tmp_path, "trials").rows
    assert rows.schema.equals(schema)
    assert "optimiser" in added
    for name in added:
        default = getattr(recipe, name)
        expected = list(default) if isinstance(default, tuple) else default
        assert rows.column(name).to_pylist()[:2] == [expected, expected]
    assert [rows.column(name).to_pylist()[2] for name in ("optimiser", "betas", "mixup", "ema")] == [
        *("adamw", [0.8, 0.9], 0.2),
        None,
    ]


def test_a_writer_that_lost_the_right_to_write_writes_nothing(tmp_path: Path) -> None:
    allowed = True

    def check() -> None:
        if not allowed:
            raise PermissionError("overtaken")

    store = ResultsWriter(tmp_path, check_right_to_write=check)
    store.append("trials", [trial(1)])
    store.flush()
    allowed = False
    store.append("trials", [trial(2)])
    with pytest.raises(PermissionError, match="overtaken"):
        store.flush()
    assert ids(tmp_path) == ["trial1"]


def test_rows_that_met_a_full_disk_are_written_by_the_next_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ResultsWriter(tmp_path)
    real = pq.write_table

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    store.append("trials", [trial(1)])
    with pytest.raises(OSError, match="No space left"):
        store.flush()
    assert ids(tmp_path) == []
    monkeypatch.setattr(pq, "write_table", real)
    store.flush()
    assert ids(tmp_path) == ["trial1"]


class Clock:
    """A clock that moves only when the test moves it, and by `step` with each reading."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0

    def __call__(self) -> float:
        now, self.now = self.now, self.now + self.step
        return now


def test_rows_at_short_intervals_are_written_together(tmp_path: Path) -> None:
    clock = Clock()
    store = ResultsWriter(tmp_path, clock=clock)
    store.append("trials", [trial(0)])
    assert store.flush_due("trials", every=60.0)
    store.append("trials", [trial(1)])
    clock.now += 59.0
    assert not store.flush_due("trials", every=60.0)
    assert ids(tmp_path) == ["trial0"]
    clock.now += 1.0
    assert store.flush_due("trials", every=60.0)
    assert ids(tmp_path) == ["trial0", "trial1"]


def test_slow_writes_take_at_most_a_twentieth_of_the_time(tmp_path: Path) -> None:
    clock = Clock()
    store = ResultsWriter(tmp_path, clock=clock)
    store.append("trials", [trial(0)])
    clock.step = 2.0  # between the two readings of a flush: it takes two seconds
    store.flush("trials")
    clock.step = 0.0
    store.append("trials", [trial(1)])
    clock.now += 36.0  # and two more after the flush's last reading
    assert not store.flush_due("trials")
    clock.now += 2.0
    assert store.flush_due("trials")
    assert ids(tmp_path) == ["trial0", "trial1"]
