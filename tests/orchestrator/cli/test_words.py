"""One meaning for each short flag, -v and an example in each command: found by walking over all commands."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fdt_core.errors import UsageError
from lab.sweeps import fdt_sweep
from orchestrator.cli import app

ROOT = Path(__file__).parents[3]
PLAIN_JSON = {"run"}
"""Commands whose output is JSON anyway."""
WITHOUT_JSON = {"drive", "drive-on-slurm"}
"""What `launch --detach` and the jobs of Slurm start: they print for a log."""


def leaves(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that name it."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from leaves(inner, (*name, word))


ROOT_COMMAND: Any = typer.main.get_command(app)
COMMANDS = dict(leaves(ROOT_COMMAND))
NAMES = [" ".join(name) for name in COMMANDS]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def options(command: Any) -> Iterator[Any]:
    """The options that help shows."""
    yield from (each for each in command.params if each.param_type_name == "option" and not each.hidden)


def shorts_of(option: Any) -> set[str]:
    return {name for name in (*option.opts, *option.secondary_opts) if not name.startswith("--")}


def examples(command: Any) -> list[list[str]]:
    """The arguments of the examples in a command's help."""
    lines = re.findall(r"^ +fdt-sweep (.+)$", command.help, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_each_short_flag_means_one_thing() -> None:
    meanings = defaultdict(set)
    for command in COMMANDS.values():
        for option in options(command):
            for short in shorts_of(option):
                meanings[short].add(max(option.opts, key=len))
    assert meanings["-f"] == {"--follow"}
    assert meanings["-t"] == {"--template"}
    assert meanings["-d"] == {"--dataset"}
    assert meanings["-v"] == {"--verbose"}
    assert {short: longs for short, longs in meanings.items() if len(longs) != 1} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_tracebacks_with_v_and_prints_json_by_one_name(name: str) -> None:
    names = {spelling for option in options(COMMANDS[tuple(name.split())]) for spelling in option.opts}
    assert {"-v", "--verbose"} <= names
    assert "--json" in names or name in PLAIN_JSON | WITHOUT_JSON
    assert all(spelling == "--json" for spelling in names if "json" in spelling)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_an_example_that_it_understands(name: str) -> None:
    words, command = name.split(), COMMANDS[tuple(name.split())]
    assert examples(command)
    for example in examples(command):
        assert example[: len(words)] == words
        command.make_context(name, example[len(words) :])
        files = [word for word in example if word.startswith("sweeps/")]
        assert all((ROOT / file).is_file() for file in files)


@pytest.mark.parametrize("group", [ROOT_COMMAND, ROOT_COMMAND.commands["data"]], ids=["fdt-sweep", "data"])
def test_a_group_has_examples_of_its_commands(group: Any) -> None:
    assert examples(group)
    for example in examples(group):
        name, command = next((name, each) for name, each in COMMANDS.items() if tuple(example[: len(name)]) == name)
        command.make_context(" ".join(name), example[len(name) :])
    shown = CliRunner().invoke(app, ["data", "--help"] if group.name == "data" else ["--help"]).stdout
    assert f" fdt-sweep {shlex.join(examples(group)[0])}" in shown


@pytest.mark.parametrize("name", NAMES)
def test_help_names_the_command_and_keeps_an_example_on_its_line(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert shown.exit_code == 0
    assert f"fdt-sweep {shlex.join(examples(COMMANDS[tuple(name.split())])[0])}" in shown.stdout.replace("'", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results", "demo", "-t", "needs"], "-t is short for --template, .* write --table needs"),
        (["results", "demo", "-f", "csv"], "-f is short for --follow, .* write --format csv"),
        (["results", "-fcsv", "demo"], "write --format csv"),
    ],
)
def test_a_former_short_flag_is_refused_with_what_to_write(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UsageError)
    assert re.search(message, str(result.exception))


@pytest.mark.process
@pytest.mark.parametrize("command", [["results", "none"], ["report", "none"], ["templates", "--model", "none"]])
def test_v_shows_the_traceback_of_an_error(command: list[str], tmp_path: Path) -> None:
    quiet, verbose = (fdt_sweep(*command, *flag, cwd=tmp_path) for flag in ([], ["-v"]))
    assert quiet.returncode == verbose.returncode == 2
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in verbose.stderr


def test_a_missing_argument_is_a_wrong_usage_without_a_traceback(tmp_path: Path) -> None:
    shown = fdt_sweep("launch", cwd=tmp_path)
    assert shown.returncode == 2
    assert "Missing argument" in shown.stderr
    assert "Traceback" not in shown.stderr


FOREIGN = {"--me", "--start", "--pid", "--nv", "--gres", "--test-only"}
"""Options of squeue, py-spy, Apptainer and sbatch that pages name."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    """In code, or in a sentence; a command line of another program has its own."""
    named = set(re.findall(r"(?:^|[ `'(])(--[a-z][a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    ours = {option for command in COMMANDS.values() for parameter in command.params for option in
            (*parameter.opts, *parameter.secondary_opts)}  # fmt: skip
    assert named - FOREIGN <= ours | {"--version", "--help"}
