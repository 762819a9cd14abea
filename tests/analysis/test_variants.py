"""Variants are compared one by one: no number is an average over them, and tables name them where there are any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from analysis import study
from analysis.figures import FIGURES
from analysis.figures.trial_cost import trial_cost
from analysis.records import records
from analysis.rendering import as_json
from analysis.report import write_report
from analysis.study import Study
from analysis.tables import TABLES, tables
from tests.analysis.synthetic import done, trial_row, write_run

pytestmark = pytest.mark.study

DATASETS = ("cifar10", "cifar100", "digits")
OFFSETS = {"lr_low": 0.0, "lr_high": 10.0}


@pytest.fixture
def varied(tmp_path: Path) -> Study:
    """Two variants ten points apart, and a template that is two points better in one and worse in the other."""
    random = np.random.default_rng(5)
    rows = [
        done(
            50.0
            + OFFSETS[variant]
            + 0.1 * random.normal()
            + (2.0 if variant == "lr_low" else -2.0) * (template == "a"),
            template=template,
            dataset=dataset,
            variant=variant,
            seed=seed,
            learning_rate=0.05 if variant == "lr_low" else 0.2,
        )
        for variant in OFFSETS
        for template in ("base", "a", "c")
        for dataset in DATASETS
        for seed in range(3)
    ]
    failed = trial_row(template="e", variant="lr_low", status="failed", failure_kind="oom", error="out of memory")
    return study(write_run(tmp_path / "run", [*rows, failed], planned=rows))


def rows_of(found: Study, name: str) -> list[dict[str, Any]]:
    return [row | {"title": table["title"]} for table in json.loads(as_json(tables(found, name)))["tables"]
            for row in table["rows"]]  # fmt: skip


def test_every_mean_is_of_one_variant(varied: Study) -> None:
    assert len(varied.cells) == 2 * 3 * 3
    for cell in records(varied.cells):
        better = {"lr_low": 2.0, "lr_high": -2.0}[cell["variant"]] * (cell["template"] == "a")
        assert cell["mean"] == pytest.approx(50.0 + OFFSETS[cell["variant"]] + better, abs=0.3)


@pytest.mark.parametrize("name", ["differences", "paired"])
def test_differences_are_taken_within_a_variant(varied: Study, name: str) -> None:
    found = pd.DataFrame(rows_of(varied, name)).set_index(["variant", "dataset", "template"])["difference"]
    assert len(found) == 2 * 3 * 2
    assert found["lr_low", "digits", "a"] == pytest.approx(2.0, abs=0.3)
    assert found["lr_high", "digits", "a"] == pytest.approx(-2.0, abs=0.3)
    assert found["lr_high", "digits", "c"] == pytest.approx(0.0, abs=0.3)


def test_comparisons_over_data_sets_are_made_for_each_variant(varied: Study) -> None:
    ranks = {row["template"]: row["mean_rank"] for row in rows_of(varied, "ranks") if "lr_low" in row["title"]}
    assert ranks["a"] == 1.0
    ranks = {row["template"]: row["mean_rank"] for row in rows_of(varied, "ranks") if "lr_high" in row["title"]}
    assert ranks["a"] == 3.0  # last on every data set
    across = {(row["title"], row["template"]): row["difference"] for row in rows_of(varied, "across")}
    assert across["lr_low: accuracy minus base's on data sets like these", "a"] == pytest.approx(2.0, abs=0.3)
    assert across["lr_high: accuracy minus base's on data sets like these", "a"] == pytest.approx(-2.0, abs=0.3)


def test_every_table_names_the_variants(varied: Study) -> None:
    for name in TABLES:
        for row in rows_of(varied, name):
            assert "lr_low" in str(row) or "lr_high" in str(row), name


def test_the_page_and_every_figure_name_the_variants(varied: Study, tmp_path: Path) -> None:
    page = write_report(varied, tmp_path / "page.html").read_text()
    assert "vgg19, lr_high" in page
    assert "vgg19, lr_low" in page
    for name, draw in FIGURES.items():
        texts = {text.get_text() for text in draw(varied).findobj(Text)}
        assert any("lr_high" in text for text in texts), name


def test_a_trial_that_two_variants_share_counts_in_each(tmp_path: Path) -> None:
    own = done(90.0, variant="one", trial_id="t")
    copy = done(90.0, variant="two", trial_id="t", reused_from="synthetic/vgg19/base/one")
    found = study(write_run(tmp_path / "run", [own, copy]))
    assert found.outcomes[["variant", "reused_from"]].fillna("").to_numpy().tolist() == [
        ["one", ""],
        ["two", "synthetic/vgg19/base/one"],
    ]


def test_the_times_in_a_panel_are_of_one_variant(varied: Study) -> None:
    for axis in trial_cost(varied).axes:
        assert [len(np.asarray(line.get_ydata())) for line in axis.get_lines()] == [3, 3, 3]


def test_a_filter_looks_at_one_variant(varied: Study, tmp_path: Path) -> None:
    path = next(iter(varied.results.paths.values()))
    assert set(study(path, filters=["variant!=lr_low"]).cells["variant"]) == {"lr_high"}


def test_without_variants_no_table_has_their_column(tmp_path: Path) -> None:
    rows = [done(90.0 + seed, template=template, seed=seed) for template in ("base", "a") for seed in range(3)]
    found = study(write_run(tmp_path / "run", rows))
    for name in TABLES:
        assert all("variant" not in column.title.lower() for table in tables(found, name) for column in table.columns)
        assert all("variant" not in str(row) for row in rows_of(found, name))


def test_a_row_of_a_variant_that_is_not_planned_is_former(tmp_path: Path) -> None:
    from analysis.former import former_rows

    planned, other = done(90.0), done(91.0, variant="lr_low", learning_rate=0.05)
    found = study(write_run(tmp_path / "run", [planned, other], planned=[planned]))
    assert former_rows(found)["difference"].tolist() == ["variant lr_low not planned"]
