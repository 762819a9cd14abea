"""Runs with little or odd content still give sensible tables, figures and pages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.figures import FIGURES
from analysis.rendering import FORMATS, render
from analysis.report import render_page
from analysis.tables import tables
from tests.analysis.synthetic import done, epoch_rows, trial_row, write_run

pytestmark = pytest.mark.study

FAILURE: dict[str, Any] = {"status": "failed", "failure_kind": "oom", "error": "out of memory", "started_at": None}

RUNS: dict[str, list[dict[str, Any]]] = {
    "one seed": [done(90.0), done(91.0, template="a")],
    "one template": [done(90.0 + seed / 10, seed=seed) for seed in range(3)],
    "no base": [done(90.0 + seed / 10, seed=seed, template=name) for seed in range(3) for name in ("a", "b")],
    "only failures": [trial_row(**FAILURE, seed=seed, train_seconds=None) for seed in range(2)],
    "only divergence": [trial_row(status="diverged", final_test_accuracy=None)],
    "no spread": [done(97.5, seed=seed, template=name) for seed in range(3) for name in ("base", "a")],
    "unicode": [
        done(90.0 + s, seed=s, template=name) for s in range(2) for name in ("base", "späte Wölbung", "模型<b>")
    ],
    "user's templates": [done(90.0, template=f"t{index}") for index in range(15)],
    "hostile names": [done(90.0), done(91.0, template="</script><script>alert(1)</script>")],
}


@pytest.fixture(params=[*RUNS, "empty", "planned only"])
def sparse(request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    name = request.param
    rows = RUNS.get(name, [])
    planned = [trial_row()] if name == "planned only" else None
    epochs = [row for trial in rows for row in epoch_rows(trial, 4)]
    return study(write_run(tmp_path / "run", rows, epochs=epochs, planned=planned))


def test_all_tables_in_all_formats(sparse: Study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = tables(sparse, "all")
    for format in FORMATS:
        text = render(made, format)
        assert "nan" not in text.lower().replace("nanometre", "")


def test_all_figures(sparse: Study) -> None:
    for draw in FIGURES.values():
        assert draw(sparse).axes


def test_the_page(sparse: Study) -> None:
    page = render_page(sparse)
    assert "<h3>Question</h3>" in page
    assert "<script>alert(1)" not in page
    assert "NaN" not in page.split('id="plotly"')[0]


def test_the_page_of_an_empty_run_says_that_no_trial_has_ended(tmp_path: Path) -> None:
    page = render_page(study(write_run(tmp_path / "run", [])))
    assert "<b>0</b> done" in page
    assert "No trial has ended yet." in page


def test_a_run_of_failures_shows_them(tmp_path: Path) -> None:
    seen = study(write_run(tmp_path / "run", RUNS["only failures"]))
    assert "0 of 2 seeds done (2 failed)" in render(tables(seen), "text")
    page = render_page(seen)
    assert "2 x oom" in page
    assert "<b>2</b> failed" in page
