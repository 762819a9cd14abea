"""The time limit of a trial, where its process hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrator.trial.time_limit import TimeLimit, take_expiry

# Holds the interpreter's lock in native code: no Python thread could end this process.
HANGS = """
import ctypes, sys
from pathlib import Path
from orchestrator.trial.time_limit import TimeLimit
TimeLimit(Path(sys.argv[1]), float(sys.argv[2])).start()
ctypes.PyDLL(None).sleep(60)
"""


def test_a_process_that_hangs_in_native_code_is_ended_and_shows_where(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS, str(tmp_path / "trial"), "0.5"], timeout=30, check=False)
    assert ended.returncode != 0
    told = take_expiry(tmp_path / "trial")
    assert told is not None
    assert "Timeout" in told
    assert 'File "<string>", line 6' in told
    assert take_expiry(tmp_path / "trial") is None, "told only once"


def test_a_trial_that_ends_in_time_leaves_nothing(tmp_path: Path) -> None:
    for seconds in (60.0, None):
        watchdog = TimeLimit(tmp_path, seconds)
        watchdog.start()
        watchdog.stop()
        assert take_expiry(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
