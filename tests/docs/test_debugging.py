"""docs/debugging.md: its commands exist with the options that it gives, and its messages are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from orchestrator.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "debugging.md").read_text(encoding="utf-8")

MESSAGES = {
    "orchestrator/status/run_status.py": ["has died", "has been silent for", "held back"],
    "orchestrator/status/slurm_status.py": ["no more workers are asked for"],
    "orchestrator/tune/driver.py": ["another process uses its device", "the processes of trials cannot start"],
    "orchestrator/trial/session.py": ["attempt %d on"],
}
FILES = {
    "orchestrator/tune/driver.py": ["failed-start.log"],
    "fdt_core/training/checkpoint.py": ["starts.jsonl"],
    "cluster/slurm/files.py": ["jobs.jsonl", "head.json", "pool.json", "_0_log.out"],
}


def commands() -> list[tuple[str, list[str]]]:
    """Each command that the page shows, with its options."""
    shown = re.findall(r"fdt-sweep ([a-z]+)\b([^`\n#]*)", PAGE)
    return [(name, re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) for name, rest in shown]


def test_every_command_has_the_options_that_the_page_gives() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    found = commands()
    assert len(found) > 10
    for name, options in found:
        known = {option for parameter in group.commands[name].params for option in parameter.opts}
        assert set(options) <= known, f"fdt-sweep {name}"


@pytest.mark.parametrize("path", MESSAGES)
def test_its_messages_are_in_the_code(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for message in MESSAGES[path]:
        assert message in text, f"{path} no longer prints {message!r}: change docs/debugging.md, and this test"
        assert message.replace("%d", "1") in PAGE


@pytest.mark.parametrize("path", FILES)
def test_its_files_are_in_the_code(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for name in FILES[path]:
        assert name in text, f"{path} no longer writes {name!r}: change docs/debugging.md, and this test"
        assert name in PAGE
