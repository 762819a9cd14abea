"""The examples in docs/templates_and_models.md behave as the page says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "templates_and_models.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"fdt-sweep": [sys.executable, "-m", "orchestrator"], "python": [sys.executable]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file in the page."""
    for _, text in FENCED.findall(PAGE):
        if named := re.match(r"# file: (\S+)\n", text):
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*COMMANDS[program], *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def shown() -> list[tuple[str, str]]:
    """The commands in the page, each with the output shown for it."""
    sessions = "".join(text for language, text in FENCED.findall(PAGE) if language == "console")
    return [
        (command, output) for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", sessions, re.MULTILINE)
    ]


@pytest.mark.process
@pytest.mark.parametrize(("command", "output"), shown())
def test_a_shown_command_prints_what_is_shown(folder: Path, command: str, output: str) -> None:
    printed = run(command, folder)
    assert printed.stdout + printed.stderr == output


def test_the_sweep_with_custom_templates_plans(folder: Path) -> None:
    planned = json.loads(run("fdt-sweep plan custom_templates.yaml --json", folder).stdout)
    assert {trial["template"] for trial in planned["trials"]} == {"base", "late_bulge", "explicit"}
    explicit = next(trial for trial in planned["trials"] if trial["template"] == "explicit")
    assert explicit["n"] is None
    assert explicit["budget_error"] != 0


@pytest.mark.process
def test_the_identity_of_a_custom_network_follows_its_source(folder: Path) -> None:
    def ids() -> dict[tuple[str, str], str]:
        trials = json.loads(run("fdt-sweep plan custom_network.yaml --json", folder).stdout)["trials"]
        return {(trial["model"], trial["template"]): trial["trial_id"] for trial in trials}

    before = ids()
    with (folder / "my_networks.py").open("a", encoding="utf-8") as source:
        source.write("# another thought\n")
    after = ids()
    changed = {cell for cell in before if before[cell] != after[cell]}
    assert changed == {("my_networks:small_cnn", "a"), ("my_networks:small_cnn", "d")}


@pytest.mark.trainer
def test_a_custom_network_trains(folder: Path) -> None:
    result = run("fdt-sweep run custom_network.yaml --set 'models=[my_networks:small_cnn]'", folder)
    assert result.returncode == 0, result.stderr
    row = json.loads(result.stdout)
    assert (row["model"], row["status"]) == ("my_networks:small_cnn", "done")
    assert row["final_test_accuracy"] > 20  # chance is 10
