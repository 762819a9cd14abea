"""`fdt-sweep templates`: rows for people and programs, the figure, and the check against the paper."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fdt_core.matching import paper_check
from fdt_core.matching.paper_tables import published_rows
from orchestrator.cli.boundary import run_command_line
from tests.fdt_core.paper_networks import RECONSTRUCTED_PARAMS

KEYS = [
    "model",
    "template",
    "n",
    "widths",
    "params",
    "macs",
    "paper_flops",
    "memory_mb",
    "activations",
    "budget_error",
]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    exit_code: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `fdt-sweep templates` in this process."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["fdt-sweep", "templates", *arguments])
        for name in ("stdout", "stderr"):  # the boundary wraps them, for good
            monkeypatch.setattr(sys, name, getattr(sys, name))
        code = run_command_line()
        captured = capsys.readouterr()
        return Outcome(exit_code=code, stdout=captured.out, stderr=captured.err)

    return run


def test_json_has_a_row_per_template_with_the_promised_keys(templates: Command) -> None:
    rows = json.loads(templates("--model", "vgg19", "--dataset", "tinyimagenet", "--json").stdout)
    assert [row["template"] for row in rows] == ["base", "a", "b", "c", "d", "e"]
    assert [list(row) for row in rows] == [KEYS] * 6
    assert [row["n"] for row in rows] == [None, 587, 153, 165, 390, 175]
    assert rows[0]["paper_flops"] == 1_596_766_208
    assert rows[0]["budget_error"] == 0
    assert rows[2]["widths"] == [153] * 16


def test_csv_has_the_same_rows(templates: Command) -> None:
    as_json = json.loads(templates("--model", "resnet18", "--json").stdout)
    as_csv = list(csv.DictReader(templates("--model", "resnet18", "--csv").stdout.splitlines()))
    assert [row["widths"].split() for row in as_csv] == [[str(width) for width in row["widths"]] for row in as_json]
    for key in ("n", "params", "budget_error"):
        assert [row[key] for row in as_csv] == ["" if row[key] is None else str(row[key]) for row in as_json]


def test_the_table_keeps_each_row_on_one_line_off_a_terminal(templates: Command) -> None:
    lines = templates("--model", "resnet152").stdout.splitlines()
    assert lines[0].split() == KEYS
    assert len(lines) == 7
    assert "64x6 128x16 256x72 512x6" in lines[1]
    assert "58,156,618" in lines[1]


def test_the_budget_can_be_chosen(templates: Command) -> None:
    arguments = ("--model", "vgg11", "--template", "b", "--json", "--width", "0.5")
    (row,) = json.loads(templates(*arguments, "--metric", "params", "--rule", "at_most", "--target", "4e5").stdout)
    assert 390_000 < row["params"] <= 400_000
    assert row["budget_error"] == pytest.approx(row["params"] / 400_000 - 1)
    (row,) = json.loads(templates(*arguments, "--target", "0.5 x base").stdout)
    assert abs(row["budget_error"]) < 0.02


def test_the_papers_rule_gives_the_papers_networks(templates: Command) -> None:
    rows = json.loads(templates("-m", "vgg19", "-m", "resnet50", "--rule", "paper", "--json").stdout)
    assert {(row["model"], row["template"]): row["params"] for row in rows} == RECONSTRUCTED_PARAMS


def test_an_own_template_can_be_tried(templates: Command) -> None:
    own = "{name: late_bulge, points: [[0, 0], [0.7, 1], [1, 0]]}"
    (row,) = json.loads(templates("-m", "vgg11", "--template", own, "--json").stdout)
    assert (row["template"], min(row["widths"])) == ("late_bulge", 64)


def test_without_a_model_it_tells_what_there_is(templates: Command) -> None:
    shown = templates().stdout
    assert all(name in shown for name in ("vgg11", "resnet152", "centre bulge", "--model vgg19"))


def test_all_26_printed_values_are_reproduced(templates: Command) -> None:
    shown = templates("--check-paper")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[-1] == "26 of 26 printed values agree"
    assert len(shown.stdout.splitlines()) == 28
    values = json.loads(templates("--check-paper", "--json").stdout)
    assert len(values) == 26
    assert all(value["agrees"] and value["printed"] == value["computed"] for value in values)


def test_a_value_that_differs_from_the_paper_ends_in_failure(
    templates: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = (replace(published_rows()[0], memory_mb="87.1"), *published_rows()[1:])
    monkeypatch.setattr(paper_check, "published_rows", lambda: wrong)
    shown = templates("--check-paper")
    assert shown.exit_code == 1
    assert "NO" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "25 of 26 printed values agree"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_figure_is_written(templates: Command, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"filters.{suffix}"
    shown = templates("--model", "vgg11", "--plot", str(file))
    assert shown.stdout == ""
    assert shown.stderr == f"wrote {file}\n"
    assert file.stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "vgg18"], "unknown model 'vgg18'; did you mean 'vgg"),
        (["-m", "vgg19", "-d", "cifar"], "unknown dataset 'cifar'; did you mean 'cifar10'"),
        (["-m", "vgg19", "-t", "f"], "unknown template 'f'"),
        (["-m", "vgg19", "--rule", "atmost"], "unknown rule 'atmost'; did you mean 'at_most'"),
        (["-m", "vgg19", "--metric", "flops"], "unknown metric 'flops'; did you mean 'paper_flops'"),
        (["-m", "vgg19", "--target", "half"], "target 'half': must be base, a multiple such as '0.5 x base'"),
        (["-m", "vgg19", "--target", "0"], "target '0': must be base, a multiple such as '0.5 x base'"),
        (["-m", "vgg19", "--target", "[1]"], "target '[1]': "),
        (["-m", "vgg19", "--rule", "paper", "-d", "digits"], "is for the paper's data sets (cifar10"),
        (["-m", "vgg16", "--rule", "paper"], "the rule 'paper' knows only vgg19 and resnet50"),
        (["-m", "vgg19", "--rule", "paper", "--metric", "macs"], "the rule paper needs the metric paper_flops"),
        (["-m", "vgg19", "--width", "-1"], "the width multiplier must be positive"),
        (["-m", "vgg19", "--plot", "x.doc"], "x.doc: the file's name must end in one of"),
        (["-m", "vgg19", "--plot", "no/such/folder/x.png"], "no/such/folder/x.png: cannot be written"),
        (["-m", "vgg19", "--json", "--csv"], "choose one of --json and --csv"),
    ],
)
def test_a_mistake_is_answered_in_one_line(templates: Command, arguments: list[str], message: str) -> None:
    shown = templates(*arguments)
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert shown.stderr.startswith("fdt-sweep: error: ")
    assert message in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
