from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.sweeps import Place
from orchestrator.cli.boundary import run_command_line
from tests.orchestrator.cli.boundary.finished_run import copied, finished_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished run; see `finished_run`."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def place(finished: Place, tmp_path: Path) -> Place:
    """A copy of the finished run."""
    return copied(finished, tmp_path)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: the exit code, and what it printed on stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["fdt-sweep", *arguments])
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, getattr(sys, name))  # put back afterwards
            status = run_command_line()
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run
