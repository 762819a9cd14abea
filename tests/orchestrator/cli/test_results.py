"""The commands results and report."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from fdt_core.results.columns import TABLES
from orchestrator.cli import app
from tests.analysis.synthetic import done, epoch_rows, paper_run, write_run

pytestmark = pytest.mark.study

RUNS = CliRunner()


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    paper_run(folder / "paper")
    write_run(folder / "small", [done(90.0), done(91.0, template="a")])
    return folder


def call(runs_dir: Path, *arguments: str) -> Result:
    return RUNS.invoke(app, [*arguments, "--runs-dir", str(runs_dir)])


def test_a_run_is_named_by_name_or_path(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = call(runs_dir, "results", "small")
    assert by_name.exit_code == 0, by_name.output
    assert "90.00" in by_name.stdout
    assert RUNS.invoke(app, ["results", str(runs_dir / "small")]).stdout == by_name.stdout
    monkeypatch.setenv("FDT_RUNS_DIR", str(runs_dir))
    assert RUNS.invoke(app, ["results", "small"]).stdout == by_name.stdout


def test_the_tables_of_the_paper_by_one_command(runs_dir: Path) -> None:
    text = call(runs_dir, "results", "paper", "--rounding", "paper", "--costs", "paper").stdout
    line = re.search(r"^e .*-89\.7.*$", text, re.MULTILINE)
    assert line
    assert line.group().split()[:7] == ["e", "2.06", "-89.7", "17.8*", "-79.5", "1.39", "-22.7"]


@pytest.mark.process
def test_every_table_and_format(runs_dir: Path) -> None:
    for table in (
        "comparison",
        "published",
        "verdicts",
        "differences",
        "paired",
        "needs",
        "ranks",
        "across",
        "cells",
        "all",
    ):
        assert call(runs_dir, "results", "paper", "--table", table).exit_code == 0
    document = json.loads(call(runs_dir, "results", "paper", "--json", "--table", "all").stdout)
    assert {"comparison", "verdicts", "needs", "cells"} <= {table["name"] for table in document["tables"]}


def test_a_filter_leaves_cells_out_of_every_table_and_says_so(runs_dir: Path) -> None:
    chosen = ["--filter", "model=vgg19", "--filter", "template!=b,d,e", "--filter", "dataset=cifar*"]
    shown = call(runs_dir, "results", "paper", "--table", "all", "--json", *chosen)
    assert "comparisons are corrected for these alone" in shown.stderr
    made = {table["name"]: table for table in json.loads(shown.stdout)["tables"]}
    assert {row["template"] for row in made["cells"]["rows"]} == {"base", "a", "c"}
    assert {row["dataset"] for row in made["differences"]["rows"]} == {"cifar10", "cifar100"}
    assert {row["model"] for row in made["differences"]["rows"]} == {"vgg19"}
    page = call(runs_dir, "report", "small", "--filter", "template=base")
    assert "all other cells are left out" in Path(page.stdout.strip()).read_text()


def test_the_schema_lists_every_column(runs_dir: Path) -> None:
    text = call(runs_dir, "results", "--schema").stdout
    words = " ".join(text.split())  # long descriptions are wrapped
    for columns in TABLES.values():
        for column in columns:
            assert f"\n{column.name} " in text
            assert column.description in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results", "papr"], "did you mean 'paper'"),
        (["results"], "name a run"),
        (["results", "paper", "--table", "need"], "did you mean 'needs'"),
        (["results", "paper", "--format", "tex"], "did you mean 'text'"),
        (["results", "paper", "--accuracy", "last"], "known: final, best"),
        (["results", "paper", "--costs", "params,macz"], "did you mean 'macs'"),
        (["results", "paper", "--filter", "template=f"], "no template is 'f'"),
        (["report", "paper", "--filter", "dataset!=cifr10"], "did you mean 'cifar10'"),
        (["report", "papr"], "did you mean 'paper'"),
        (["report", "paper", "--figures", "gif"], "known: pdf, svg, png"),
    ],
)
def test_wrong_arguments_get_one_clear_line(runs_dir: Path, arguments: list[str], message: str) -> None:
    result = call(runs_dir, *arguments)
    assert result.exit_code != 0
    assert message in str(result.exception)


@pytest.mark.process
def test_the_report_stands_in_the_run_directory_with_its_figures(runs_dir: Path) -> None:
    result = call(runs_dir, "report", "small", "--figures", "svg,png")
    assert result.exit_code == 0, result.output
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert paths[0] == runs_dir / "small" / "report" / "index.html"
    assert {path.suffix for path in paths[1:]} == {".svg", ".png"}
    assert all(path.stat().st_size > 1000 for path in paths)


@pytest.mark.process
def test_the_report_names_its_files_as_json(runs_dir: Path) -> None:
    found = json.loads(call(runs_dir, "report", "small", "--figures", "svg", "--json").stdout)
    assert found["report"] == str(runs_dir / "small" / "report" / "index.html")
    assert found["figures"]
    assert all(Path(path).is_file() for path in [found["report"], *found["figures"]])


@pytest.mark.process
def test_two_runs_are_compared_in_a_page_of_their_own(runs_dir: Path) -> None:
    result = call(runs_dir, "report", "paper", "small")
    assert result.stdout.strip() == str(runs_dir / "paper" / "report" / "paper-and-small.html")


def test_results_come_on_stdout_and_notes_on_stderr(runs_dir: Path) -> None:
    damaged = write_run(runs_dir / "damaged", [done(90.0)])
    (damaged / "results" / "trials" / "part-000001.parquet").write_bytes(b"")
    result = call(runs_dir, "results", "damaged", "--format", "csv")
    assert "is damaged" in result.stderr
    assert "damaged" not in result.stdout


def test_rows_of_former_plans_are_left_out_with_one_note_and_shown_by_all(runs_dir: Path) -> None:
    rows = [done(90.0, epochs=1), done(12.34, learning_rate=0.5, epochs=1)]
    epochs = [row for trial in rows for row in epoch_rows(trial, 1)]
    run = write_run(runs_dir / "changed", rows, epochs=epochs, planned=rows[:1])
    note = "changed: 1 row of former plans left out; --all shows them, marked\n"
    without = call(runs_dir, "results", "changed")
    assert "12.34" not in without.stdout
    assert without.stderr == note
    shown = call(runs_dir, "results", "changed", "--all")
    frame = pd.read_csv(io.StringIO(call(runs_dir, "results", "changed", "--all", "--format", "csv").stdout))
    former = frame[frame["differs_from_the_plan_in"].notna()]
    assert former["differs_from_the_plan_in"].item() == "former: learning_rate 0.5 (plan: 0.1)"
    assert former["final_accuracy"].item() == 12.34
    assert "12.34" in shown.stdout
    assert shown.stdout.startswith(without.stdout.rstrip())
    assert shown.stderr == ""
    page = run / "report" / "index.html"
    assert call(runs_dir, "report", "changed").stderr == note
    assert "12.34" not in page.read_text()
    call(runs_dir, "report", "changed", "--all")
    assert "12.34" in page.read_text()


def test_a_results_folder_without_a_plan_is_a_run_of_its_own(runs_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_dir / "small" / "results", tmp_path / "copy" / "results")
    for path in (tmp_path / "copy", tmp_path / "copy" / "results"):
        result = RUNS.invoke(app, ["results", str(path)])
        assert "90.00" in result.stdout
        assert "copy: there is no plan.json" in result.stderr


def test_templates_of_unlike_recipes_are_warned_of_beside_the_table(runs_dir: Path) -> None:
    write_run(runs_dir / "mixed", [done(90.0), done(91.0, template="a", weight_decay=0.1)])
    assert "vgg19 on cifar10: the trials differ in weight_decay" in call(runs_dir, "results", "mixed").stderr


@pytest.mark.process
def test_analysis_needs_neither_torch_nor_ray(runs_dir: Path) -> None:
    code = (
        "import sys, analysis; from analysis.report import render_page; from analysis.tables import tables;"
        f"s = analysis.study({str(runs_dir / 'small')!r}); tables(s, 'all'); render_page(s);"
        "assert not {'torch', 'ray', 'submitit', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
