"""The examples in docs/analysis.md run, and the page lists every table, figure and format."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.figures import FIGURES
from analysis.rendering import FORMATS
from analysis.tables import TABLES
from orchestrator.cli import app
from tests.analysis.synthetic import paper_run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ fdt-sweep (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run that the examples read."""
    folder = tmp_path_factory.mktemp("examples")
    paper_run(folder / "runs" / "paper")
    return folder


@pytest.mark.process
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_run(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    exec(compile(program, "docs/analysis.md", "exec"), {"__name__": "__main__"})


@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FDT_RUNS_DIR", raising=False)
    result = CliRunner().invoke(app, shlex.split(command.partition(" >")[0]))
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_every_table_figure_and_format_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert explained == {*TABLES, *FIGURES}
    assert all(f"`{name}`" in PAGE for name in FORMATS)
