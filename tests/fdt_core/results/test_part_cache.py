"""Parts of the results are decoded again only after their files have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fdt_core.results.part_cache import PartCache
from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that pyarrow opens to decode it."""
    opened: list[Path] = []

    class Counting(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
        def __init__(self, source: Any, **options: Any) -> None:
            opened.append(Path(source))
            super().__init__(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", Counting)
    return opened


def write(results: Path, *trial_ids: str) -> None:
    writer = ResultsWriter(results)
    writer.append("trials", [{"trial_id": trial_id, "attempt": 1} for trial_id in trial_ids])
    writer.flush()


def trial_ids(results: Path, parts: PartCache) -> list[str]:
    found: list[str] = read_table(results, "trials", ("trial_id",), part_reader=parts).rows["trial_id"].to_pylist()
    return found


def test_a_part_is_decoded_once_while_its_file_stays(tmp_path: Path, decoded: list[Path]) -> None:
    write(tmp_path, "a")
    parts = PartCache()
    decoded.clear()
    assert trial_ids(tmp_path, parts) == trial_ids(tmp_path, parts) == ["a"]
    assert len(decoded) == 1


def test_a_part_that_a_writer_has_replaced_is_decoded_again(tmp_path: Path) -> None:
    write(tmp_path, "a")
    parts = PartCache()
    assert trial_ids(tmp_path, parts) == ["a"]
    write(tmp_path, "b")
    assert trial_ids(tmp_path, parts) == ["a", "b"]


def test_damage_and_loss_are_seen_after_a_part_was_decoded(tmp_path: Path) -> None:
    write(tmp_path, "a")
    parts = PartCache()
    assert trial_ids(tmp_path, parts) == ["a"]
    (part,) = (tmp_path / "trials").iterdir()
    part.write_bytes(b"no Parquet")
    assert read_table(tmp_path, "trials", part_reader=parts).damaged == (part,)
    with pytest.raises(pa.ArrowException):
        parts(part, "trials")
    part.unlink()
    with pytest.raises(FileNotFoundError):
        parts(part, "trials")


def test_a_forgotten_table_is_decoded_again_and_others_stay(tmp_path: Path, decoded: list[Path]) -> None:
    write(tmp_path, "a")
    parts = PartCache()
    for table in ("trials", "epochs"):
        read_table(tmp_path, table, part_reader=parts)
    decoded.clear()
    parts.forget("epochs")
    for table in ("trials", "epochs"):
        read_table(tmp_path, table, part_reader=parts)
    assert [path.parent.name for path in decoded] == ["epochs"]
