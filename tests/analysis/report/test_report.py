"""The contents of the report."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.report import render_page, write_report
from analysis.report.curve_data import curve_data
from analysis.report.provenance import reproduction
from analysis.report.resources import resource_tables
from analysis.report.table_data import PageTable
from analysis.tables.table import Column, Entry, Table, text_column, word
from tests.analysis.synthetic import STARTED, done, epoch_rows, trial_row, write_run

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def page(with_curves: Study) -> str:
    return render_page(with_curves)


def unpacked(text: str) -> str:
    return gzip.decompress(base64.b64decode(text)).decode()


@pytest.mark.process
def test_the_page_needs_nothing_from_outside(page: str) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_is_small(page: str) -> None:
    assert len(page) < 3_000_000


def test_the_verdict_comes_first(page: str) -> None:
    names = ("verdict", "summary", "comparison", "plots", "differences", "trials")
    order = [page.index(f'<section id="{name}"') for name in names]
    assert order == sorted(order)
    assert page.index("<b>vgg19:</b>") < page.index('data-plot="accuracy"') < page.index('<section id="summary"')
    assert page.index("<h3>Question") < page.index("<h3>Results") < page.index(">Certainty</h3>")
    assert "<b>144</b> done" in page


def test_the_opening_comment_of_the_sweep_file_is_the_question(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", [done(90.0)])
    (path / "sweep.yaml").write_text("# Does it hold\n# at small width?\nname: run\n# not this\n")
    page = render_page(study(path))
    assert "Does it hold at small width?" in page
    assert "not this" not in page


def test_a_table_as_data_has_every_row_and_every_value() -> None:
    column = Column(name="Accuracy", parts=("mean", "std"))
    entries = [Entry(parts=(f"{n}.0", "0.5"), values=(float(n), 0.5), best=n == 3, marks="†") for n in range(250)]
    rows = tuple((word(f"row {n}"), entry) for n, entry in enumerate([*entries, Entry(values=(math.inf, 1.0))]))
    table = PageTable(name="it", whole=Table(title="T", columns=(text_column("Name"), column), rows=rows))
    assert len(table.first.rows) == 100
    data = json.loads(json.dumps(table.data(), allow_nan=False))
    names, accuracies = data["columns"]
    assert data["rows"] == len(names["texts"]) == 251
    assert names["values"] is None
    assert accuracies["texts"][3] == "3.0 ± 0.5†"
    assert accuracies["keys"] == ["accuracy_mean", "accuracy_std"]
    assert [values[3] for values in accuracies["values"]] == [3.0, 0.5]
    assert accuracies["best"] == [3]
    assert [values[-1] for values in accuracies["values"]] == ["Infinity", 1.0]


def test_the_curves_follow_the_rows_of_the_trials_table(with_curves: Study) -> None:
    curves = json.loads(unpacked(curve_data(with_curves).packed))
    assert len(curves) == len(with_curves.outcomes) == 144
    finals = with_curves.outcomes["final_test_accuracy"]
    for curve, final in zip(curves, finals, strict=True):
        assert curve["epoch"] == [1, 2, 3, 4, 5, 6]
        assert curve["test_accuracy"][-1] == pytest.approx(final, abs=0.3)


def test_too_many_epochs_are_thinned_and_the_last_is_kept(with_curves: Study) -> None:
    data = curve_data(with_curves, most_points=144 * 6 // 4)
    assert data.every == 4
    assert json.loads(unpacked(data.packed))[0]["epoch"] == [4, 6]


def test_a_curve_shows_four_digits_and_gaps_where_nothing_is_known(tmp_path: Path) -> None:
    trial = done(90.0)
    rows = epoch_rows(trial, 4)
    for row, loss in zip(rows, (0.000123456, 12345.6, math.nan, math.inf), strict=True):
        row["test_loss"] = loss
    (curve,) = json.loads(unpacked(curve_data(study(write_run(tmp_path / "run", [trial], epochs=rows))).packed))
    assert curve["test_loss"] == [0.0001235, 12346.0, None, None]


def test_the_resources_show_what_was_lost_by_cause(tmp_path: Path) -> None:
    lost = trial_row(status="failed", failure_kind="oom", train_seconds=None, started_at=None, seed=1)
    trials = [
        done(90.0, train_seconds=3600.0, interruptions=2),
        lost,
        trial_row(status="diverged", seed=2, train_seconds=1800.0),
        done(90.0, seed=3, template="twin", train_seconds=7200.0, reused_from="other/vgg19/base"),
    ]
    seen = study(write_run(tmp_path / "run", trials, epochs=epoch_rows(lost, 30)))
    (table,) = resource_tables(seen)
    rows = {row[0].text: [entry.text for entry in row[1:]] for row in table.rows}
    assert rows == {
        "results": ["1", "1.00", "50.0", "2"],
        "results: training diverged": ["1", "0.50", "25.0", "0"],
        "lost: oom": ["1", "0.50", "25.0", "0"],
    }
    assert "Training reused from other cells: 1 trial, which saved 2.00 hours." in table.notes


def test_the_commands_reproduce_with_the_versions_and_the_commit_of_the_rows(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a run", [done(90.0, git_commit="abc123", trial_id="77")])
    assert reproduction(study(path)) == [
        "git checkout abc123",
        "pip install -e . torch==2.6.0 'ray[tune]==2.60.0'",
        f"fdt-sweep launch '{path}/sweep.yaml'",
        f"fdt-sweep report '{path}'",
        "fdt-sweep reproduce 77",
    ]


def test_failures_are_grouped_with_an_example(tmp_path: Path) -> None:
    error = "Traceback\nValueError: image {} is <broken>"
    trials = [
        trial_row(status="failed", failure_kind="error", error=error.format(seed), seed=seed, trial_id=f"id{seed}")
        for seed in range(3)
    ]
    page = render_page(study(write_run(tmp_path / "run", trials)))
    assert "<b>3 x error</b>: <code>ValueError: image N is &lt;broken&gt;</code>" in page
    assert "fdt-sweep logs run id0" in page


@pytest.mark.process
def test_several_runs_are_compared_with_the_first(tmp_path: Path) -> None:
    def run(name: str, shift: float) -> Path:
        rows = [done(90.0 + shift + 0.1 * s * (1 + shift), seed=s, template=t) for s in range(3) for t in ("base", "a")]
        return write_run(tmp_path / name, rows)

    page = render_page(study(run("one", 0.0), run("two", 1.0)))
    assert "minus that of run one" in page
    assert "Between the runs" in page
    assert "two: vgg19" in page


def test_the_page_warns_about_unlike_trainings(tmp_path: Path) -> None:
    page = render_page(study(write_run(tmp_path / "run", [done(90.0), done(91.0, template="a", epochs=10)])))
    assert '<p class="warning">vgg19 on cifar10: the trials differ in epochs' in page


@pytest.mark.process
def test_the_report_is_written_whole_and_is_the_same_each_time(tmp_path: Path, with_curves: Study) -> None:
    file = write_report(with_curves, tmp_path / "new" / "index.html")
    first = file.read_bytes()
    assert write_report(with_curves, file).read_bytes() == first
    assert [each.name for each in file.parent.iterdir()] == ["index.html"]


def test_the_page_of_an_unfinished_run_counts_missing_trials(tmp_path: Path) -> None:
    planned: list[dict[str, Any]] = [trial_row(seed=seed) for seed in range(4)]
    path = write_run(tmp_path / "run", [done(90.0, finished_at=STARTED)], planned=planned)
    page = render_page(study(path))
    assert "<b>3</b> missing" in page
    assert "last one ended 2026-01-01 00:00 UTC" in page
