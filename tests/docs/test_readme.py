"""The README shows the table of `make demo`: all numbers that do not depend on the machine are compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.plan.resolve import plan_sweep
from tests.analysis.synthetic import write_run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS = ["Parameters", "MACs", "Memory", "Inference", "Training", "Final", "Seeds"]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of `fdt-sweep results demo` for a run whose trials ended with arbitrary times and accuracies."""
    cells = plan_sweep(ROOT / "sweeps" / "demo.yaml").cells
    outcome = {"attempt": 1, "status": "done", "train_seconds": 10.0, "images_per_second": 100.0, "device_name": "CPU"}
    trials = [
        {**cell.columns(), **outcome, "final_test_accuracy": 90.0 + number, "best_test_accuracy": 95.0 + number}
        for number, cell in enumerate(cells)
    ]
    latency = dict.fromkeys(("latency_ms_b16_median", "latency_ms_b16_p10", "latency_ms_b16_p90"), 5.0)
    profiles = [{**cell.columns(), "device": "cpu", "device_name": "CPU", **latency} for cell in cells]
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "demo", trials, profiles=profiles)
    result = CliRunner().invoke(app, ["results", "demo", "--runs-dir", str(runs)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def tables(text: str) -> dict[str, list[list[str]]]:
    """For each model, the column titles and the rows: template, costs with their percentages, seeds."""
    found = {}
    for title, body in re.findall(r"^(\w+ x 0\.125)\n(.*?)^Accuracy:", text, re.MULTILINE | re.DOTALL):
        lines = [line.split() for line in body.splitlines()]
        titles = [word for word in lines[0] if word in COLUMNS]
        rows = [line for line in lines if line and line[0] in ("base", "a", "b", "c", "d", "e")]
        found[title] = [titles, *([*row[: 4 if row[0] == "base" else 7], row[-1]] for row in rows)]
    return found


def off_target(text: str) -> list[str]:
    return re.findall(r"^‡ .*$", text, re.MULTILINE)


def test_the_readme_shows_the_costs_of_the_demo(printed: str) -> None:
    shown = tables(README)
    assert list(shown) == ["resnet50 x 0.125", "vgg19 x 0.125"]
    assert shown == tables(printed)
    assert off_target(README) == off_target(printed)
