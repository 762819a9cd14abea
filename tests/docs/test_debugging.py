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

QUOTED = {
    "orchestrator/status": ["has died", "has been silent for", "held back", "no more workers are requested"],
    "orchestrator/tune": [
        "another process uses its device",
        "the processes of trials cannot start",
        "failed-start.log",
    ],
    "orchestrator/trial": ["attempt %d on"],
    "fdt_core/training": ["starts.jsonl"],
    "cluster/slurm": ["jobs.jsonl", "head.json", "pool.json", "_0_log.out"],
}
"""Messages and names of files that the page gives, by the room that prints or writes them."""


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


@pytest.mark.parametrize("room", QUOTED)
def test_its_messages_and_files_are_in_the_code(room: str) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / room).rglob("*.py"))
    for text in QUOTED[room]:
        assert text in code, f"{room} has no {text!r} any more: change docs/debugging.md, and this test"
        assert text.replace("%d", "1") in PAGE
