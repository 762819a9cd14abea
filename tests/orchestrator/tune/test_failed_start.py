"""What people are told of processes that never begin their trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.tune.failed_start import explain_failed_start

DIED = """\
Failure # 1 (occurred at 2026-11-26_00-41-10)
The actor died unexpectedly before finishing this task.
\tpid: 17
The actor is dead because its worker process has died. Worker exits with an exit code 3.
Failure # 2 (occurred at 2026-11-26_00-41-14)
The actor died because of an error raised in its creation, \x1b[36mray::SweepTrial.__init__()\x1b[39m (pid=42, ip=x)
ModuleNotFoundError: No module named 'gone'

"""


@pytest.fixture
def ray_directory(tmp_path: Path) -> Path:
    logs = tmp_path / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-a-01-17.err").write_text("of another process\n")
    (logs / "worker-b-01-42.err").write_bytes(
        b":job_id:01\n:actor_name:SweepTrial\nTraceback\n  ImportError: libf\xfc.so\n\n"
    )
    return tmp_path


def explain(tmp_path: Path, text: str, ray_directory: Path) -> tuple[str, str]:
    error_file, log = tmp_path / "error.txt", tmp_path / "failed-start.log"
    error_file.write_text(text)
    return explain_failed_start(str(error_file), ray_directory, log), log.read_text()


def test_the_last_line_that_the_process_wrote_is_quoted_and_the_rest_kept(tmp_path: Path, ray_directory: Path) -> None:
    told, kept = explain(tmp_path, DIED, ray_directory)
    assert told == f"ImportError: libf\ufffd.so (log: {tmp_path / 'failed-start.log'})"
    assert "Traceback" in kept
    assert "No module named 'gone'" in kept
    assert "exit code 3" not in kept, "of an earlier failure"
    assert "\x1b" not in kept


def test_of_a_process_elsewhere_what_ray_says_is_quoted(tmp_path: Path) -> None:
    told, _ = explain(tmp_path, DIED, tmp_path / "nothing here")
    assert told.startswith("ModuleNotFoundError: No module named 'gone' (log: ")


@pytest.mark.parametrize("error_file", [None, "/no/such/file"])
def test_where_nothing_is_known_that_is_said(tmp_path: Path, error_file: str | None) -> None:
    told = explain_failed_start(error_file, tmp_path, tmp_path / "log")
    assert told == f"they end without a message (log: {tmp_path / 'log'})"
