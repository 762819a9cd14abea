"""Small JSON files: read as their type, or refused in one line that names the file and the problem."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.json_file import DamagedFile, read_json
from fdt_core.results.plan_file import PLAN_VERSION, read_plan_file


@dataclass(frozen=True)
class Record:
    name: str
    counts: tuple[int, ...] = ()


def test_a_record_is_read_as_its_type_and_unknown_keys_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert read_json(path, Record) is None
    path.write_text('{"name": "a", "counts": [1, 2], "of_a_later_version": {}}')
    assert read_json(path, Record) == Record(name="a", counts=(1, 2))


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (b"", "EOF"),
        (b'{"name": "a', "EOF"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"[]", "object"),
        (b"{}", "name: Field required"),
        (b'{"name": "a", "counts": [1, "x"]}', "counts.1: Input should be a valid integer"),
        (b"[" * 100_000, "recursion limit"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_problem(tmp_path: Path, contents: bytes, problem: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(contents)
    with pytest.raises(DamagedFile) as caught:
        read_json(path, Record, remedy="write it again")
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged (")
    assert message.endswith("): write it again")
    assert problem in message
    assert "\n" not in message


def test_a_plan_is_read_up_to_the_known_version(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert read_plan_file(path) is None
    for version in (0, PLAN_VERSION):
        path.write_text(f'{{"plan_version": {version}, "trials": [{{"seed": 1, "params": 7}}], "sweep": "s"}}')
        assert read_plan_file(path) == {
            "plan_version": version,
            "trials": [{"seed": 1, "params": 7}],
            "sweep": "s",
        }
    path.write_text(f'{{"plan_version": {PLAN_VERSION + 1}, "trials": "in another form"}}')
    with pytest.raises(EnvironmentProblem, match=f"has plan version {PLAN_VERSION + 1}.*reads versions up to"):
        read_plan_file(path)
