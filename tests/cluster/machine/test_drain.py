from pathlib import Path

import pytest

from cluster.machine.drain import DRAIN_FILE_VARIABLE, drain_deadline, raise_drain_flag


def test_a_process_sees_the_flag_of_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = tmp_path / "drain"
    monkeypatch.setenv(DRAIN_FILE_VARIABLE, str(flag))
    assert drain_deadline() is None
    raise_drain_flag(flag, 1234.5)
    assert drain_deadline() == 1234.5


def test_only_an_earlier_deadline_replaces_the_one_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = tmp_path / "drain"
    monkeypatch.setenv(DRAIN_FILE_VARIABLE, str(flag))
    for deadline, standing in ((100.0, 100.0), (200.0, 100.0), (50.0, 50.0)):
        raise_drain_flag(flag, deadline)
        assert drain_deadline() == standing


def test_a_process_without_a_flag_file_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DRAIN_FILE_VARIABLE, raising=False)
    assert drain_deadline() is None


@pytest.mark.parametrize("contents", [b"", b"soon\n", b"\xff\xfe"], ids=["empty", "a word", "no text"])
def test_a_flag_without_a_readable_deadline_is_overdue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: bytes
) -> None:
    flag = tmp_path / "drain"
    monkeypatch.setenv(DRAIN_FILE_VARIABLE, str(flag))
    flag.write_bytes(contents)
    assert drain_deadline() == 0.0
    raise_drain_flag(flag, 1234.5)
    assert drain_deadline() == 0.0, "the earlier deadline stands"
