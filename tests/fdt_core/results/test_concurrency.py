"""Readers beside a writer that is killed between any two of its steps: no error, no lost and no duplicate row."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter


def with_pandas(results: Path) -> list[str]:
    return list(pd.read_parquet(results / "trials", columns=["trial_id"]).trial_id)


def with_polars(results: Path) -> list[str]:
    return pl.read_parquet(results / "trials", columns=["trial_id"], use_pyarrow=True)["trial_id"].to_list()


def with_duckdb(results: Path) -> list[str]:
    relation = duckdb.sql(f"SELECT trial_id FROM '{results}/trials/*.parquet'")
    assert relation is not None
    return [row[0] for row in relation.fetchall()]


READERS: tuple[Callable[[Path], list[str]], ...] = (with_pandas, with_polars, with_duckdb)


def read_beside(writer: subprocess.Popen[str], results: Path, *, known: int) -> tuple[int, int]:
    """Read until the writer is dead, and once more; returns the number of reads and of rows."""
    reads, rows, ended = 0, known, False
    while not ended:
        ended = writer.poll() is not None  # before the reads: they must see what it wrote last
        for read in READERS:
            found = read(results)
            assert len(found) == len(set(found)), f"{read.__name__} saw a row twice"
            assert set(found) == {f"trial{number}" for number in range(len(found))}, f"{read.__name__} missed a row"
            assert len(found) >= rows, f"{read.__name__} saw fewer rows than before"
            rows = len(found)
            reads += 1
    return reads, rows


@pytest.mark.parametrize(
    ("steps", "min_reads"),
    [
        pytest.param([*range(1, 13), 151, 302], 100, id="each step once", marks=pytest.mark.engine),
        pytest.param(
            [step for _ in range(6) for step in (*range(1, 25), 333, 777, 1501)],
            3000,
            id="all",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_readers_see_whole_tables_at_every_moment(tmp_path: Path, steps: list[int], min_reads: int) -> None:
    ResultsWriter(tmp_path)
    rows, reads = 0, 0
    for step in steps:
        command = [sys.executable, "-m", "tests.fdt_core.results.writer_process", str(tmp_path), str(step)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        more, rows = read_beside(writer, tmp_path, known=rows)
        reads += more
        output, _ = writer.communicate()
        assert writer.returncode == -signal.SIGKILL, "it was killed while writing"
        safe = int(output.split()[-1])
        assert rows >= safe, "a row that the writer reported as safe is lost"
        assert read_table(tmp_path, "trials").duplicates == 0
    assert rows >= len(steps)
    assert reads >= min_reads
