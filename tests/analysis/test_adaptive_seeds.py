"""Runs with adaptive seeds: intervals are those of the looks, and what was spared is neither missing nor compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis import study
from analysis.rendering import as_json, as_text
from analysis.report import write_report
from analysis.statistics.sequential.looks import with_error
from analysis.statistics.verdicts import Verdict
from analysis.study import Study
from analysis.tables import tables
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.adaptive_plans import ADAPTIVE, accuracies, adaptive_plan, drive, recorded

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep file and its finished run."""
    folder = tmp_path_factory.mktemp("folder")
    plan = adaptive_plan(folder)
    drive(RunDirectory(folder / "adaptive"), plan, accuracies(plan))
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> RunDirectory:
    """A copy of the finished run, beside its sweep file."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return RunDirectory(tmp_path / "adaptive")


def text_of(found: Study, name: str) -> str:
    return " ".join("\n".join(as_text(table, 120) for table in tables(found, name)).split())


def test_what_no_look_asked_for_is_spared_and_not_missing(run: RunDirectory) -> None:
    found = study(run.path)
    assert found.cells["missing"].sum() == 0
    asked = found.cells.set_index(["variant", "template"])["seeds"]
    assert asked["learning_rate=0.1", "base"] == 9
    assert asked["learning_rate=0.1", "b"] == 3
    assert len(found.results.spared) == 90 - asked.sum()
    assert (found.cells["seeds"] == found.cells["done"]).all()


def test_a_run_under_way_misses_what_a_look_has_asked_for(tmp_path: Path) -> None:
    plan, run = adaptive_plan(tmp_path), RunDirectory(tmp_path / "adaptive")
    drive(run, plan, accuracies(plan), most=5)
    found = study(run.path)
    assert found.cells["seeds"].sum() == 30
    assert found.cells["missing"].sum() == 25
    assert set(found.differences["verdict"]) == {Verdict.UNTESTED}
    assert "Not tested: 8 without a look" in text_of(found, "differences")


def test_the_intervals_of_differences_are_those_of_the_last_look(run: RunDirectory) -> None:
    found = study(run.path)
    last = {(row["variant"], row["template"]): row for row in recorded(run.results)[0]}
    assert len(found.differences) == len(last) == 8
    for row in found.differences.to_dict("records"):
        decided = last[row["variant"], row["template"]]
        for name in ("pairs", "difference", "low", "high", "p", "look", "df"):
            assert row[name] == pytest.approx(decided[name], abs=1e-8), name
        assert row["verdict"] == decided["verdict"]
        assert row["error"] == pytest.approx(decided["standard_error"] * np.sqrt(decided["pairs"] / 2))


def test_intervals_have_the_usual_confidence_whatever_error_the_sweep_allows(tmp_path: Path) -> None:
    adaptive_plan(tmp_path)
    plan = plan_sweep(tmp_path / "adaptive.yaml", ["seeds.until.error=0.2"])
    run = RunDirectory(tmp_path / "adaptive")
    drive(run, plan, accuracies(plan))
    last = {(row["variant"], row["template"]): row for row in recorded(run.results)[0]}
    for row in study(run.path).differences.to_dict("records"):
        decided = last[row["variant"], row["template"]]
        assert row["high"] - row["low"] > 1.1 * (decided["high"] - decided["low"])
    assert plan.looks is not None
    assert with_error(with_error(plan.looks, 0.05), 0.2).levels == pytest.approx(plan.looks.levels)


def test_the_usual_margin_is_that_of_the_sweep_and_another_one_changes_verdicts_only(run: RunDirectory) -> None:
    usual, narrow = study(run.path), study(run.path, margin=0.1)
    assert usual.question.margin == 1.0
    assert narrow.question.margin == 0.1
    columns = ["low", "high", "p"]
    assert usual.differences[columns].equals(narrow.differences[columns])
    one_sided = study(run.path, one_sided=True).differences
    assert np.isinf(one_sided["high"]).all()
    assert one_sided["low"].equals(usual.differences["low"])


def test_what_is_said_of_means_and_of_the_best_follows_from_the_intervals(tmp_path: Path) -> None:
    one_variant = ADAPTIVE.replace("[digits]", "[digits, cifar10]").replace("vary: {learning_rate: [0.1, 0.2]}\n", "")
    plan = adaptive_plan(tmp_path, one_variant)
    run = RunDirectory(tmp_path / "run")
    drive(run, plan, accuracies(plan))
    found = study(run.path)
    by_template = found.differences.groupby("template")[["difference", "low", "high"]].mean()
    for row in found.mean_differences.to_dict("records"):
        expected = by_template.loc[row["template"]]
        assert [row[name] for name in ("difference", "low", "high")] == pytest.approx(list(expected))
    best = found.against_the_best.set_index("template")
    assert best.loc["a", "low"] == 0.0, "surely the best"
    assert list(best.index[best["candidate"].astype(bool)]) == ["a"]
    assert (best["low"] <= best["high"]).all()
    assert best.loc["b", "high"] == 0.0
    assert best.loc["base", "ahead"] == pytest.approx(-float(by_template["difference"]["a"]))


def test_another_accuracy_or_some_seeds_alone_are_not_tested(run: RunDirectory) -> None:
    for found in (study(run.path, accuracy="best"), study(run.path, filters=["seed=0,1,2"])):
        assert set(found.differences["verdict"]) == {Verdict.UNTESTED}
        assert found.differences["low"].isna().all()
    filtered, every = study(run.path, filters=["template=base,b"]).differences, study(run.path).differences
    of_b = every[every["template"] == "b"]
    assert filtered["low"].tolist() == of_b["low"].tolist(), "a filter makes no interval shorter"


def test_a_run_with_a_given_number_of_seeds_beside_it_keeps_its_intervals(run: RunDirectory, tmp_path: Path) -> None:
    fixed = plan_sweep(tmp_path / "adaptive.yaml", ["seeds=3", "name=fixed"])
    other = RunDirectory(tmp_path / "fixed")
    drive(other, fixed, accuracies(fixed))
    both = study(run.path, other.path).differences
    adaptive = both[both["run"] == "adaptive"].reset_index(drop=True)
    assert adaptive[["low", "high"]].equals(study(run.path).differences[["low", "high"]])
    of_fixed = both[both["run"] == "fixed"]
    assert of_fixed["look"].isna().all()
    assert (of_fixed["verdict"] != Verdict.UNTESTED).all()
    text = text_of(study(run.path, other.path), "differences")
    assert "Dunnett's test" in text
    assert "Each interval is that of the last look" in text


def test_tables_and_the_report_say_what_is_settled_and_what_they_do_not_allow_for(
    run: RunDirectory, tmp_path: Path
) -> None:
    found = study(run.path)
    (table,) = json.loads(as_json(tables(found, "decisions")))["tables"]
    assert {row["verdict"] for row in table["rows"]} == {"superior", "inferior", "non-inferior", "undecided"}
    settled = (
        "Adaptive seeds, looks at 3, 5 and 9 seeds at a margin of 1 point: 6 of 8 comparisons settled (2 inferior,"
    )
    assert settled in text_of(found, "decisions")
    assert "36 of 90 trainings spared" in text_of(found, "decisions")
    for name in ("paired", "ranks", "across"):
        assert "This does not allow for adaptive seeds" in text_of(found, name)
    page = write_report(found, tmp_path / "page.html").read_text()
    assert "Adaptive seeds, looks at 3, 5 and 9 seeds" in page
    assert "What the looks have decided" in page


def test_a_results_folder_alone_has_the_same_intervals(run: RunDirectory, tmp_path: Path) -> None:
    study_before = study(run.path, margin=0.5)
    expected = study_before.differences[["low", "high", "verdict", "look"]]
    alone = tmp_path / "alone"
    alone.mkdir()
    (run.results).rename(alone / "results")
    found = study(alone, margin=0.5)
    assert len(found.results.spared) == 0
    assert found.differences[["low", "high", "verdict", "look"]].equals(expected)


TWO_DATASETS = ADAPTIVE.replace("[digits]", "[digits, cifar10]").replace("vary: {learning_rate: [0.1, 0.2]}\n", "")


@pytest.mark.parametrize("template", ["a", "base"])
def test_a_template_that_is_not_compared_on_every_data_set_has_no_tested_mean(tmp_path: Path, template: str) -> None:
    excluded = f"exclude: [{{dataset: cifar10, template: {template}}}]\n"
    plan, run = adaptive_plan(tmp_path, TWO_DATASETS + excluded), RunDirectory(tmp_path / "run")
    drive(run, plan, accuracies(plan))
    found = study(run.path)
    means = found.mean_differences.set_index("template")
    untested = ["a"] if template == "a" else ["a", "b", "c", "d"]
    assert set(means.index[means["verdict"] == Verdict.UNTESTED]) == set(untested)
    assert "surely the best" not in text_of(found, "needs")
    assert write_report(found, tmp_path / "page.html").is_file()


def test_a_filter_that_leaves_nothing_to_compare_shows_the_rest(run: RunDirectory, tmp_path: Path) -> None:
    for kept in ("template=a", "template=base"):
        found = study(run.path, filters=[kept])
        assert "nothing to compare" in text_of(found, "differences").lower()
        assert write_report(found, tmp_path / "page.html").is_file()


def test_decisions_on_what_is_no_longer_planned_are_left_out(run: RunDirectory, tmp_path: Path) -> None:
    plan = plan_sweep(tmp_path / "adaptive.yaml").matching(["template=base,a"])
    drive(run, plan, accuracies(plan))
    assert {row["template"] for row in study(run.path).results.decisions.to_dict("records")} == {"a"}


def test_without_a_plan_intervals_of_another_confidence_are_not_shown(tmp_path: Path) -> None:
    adaptive_plan(tmp_path)
    plan = plan_sweep(tmp_path / "adaptive.yaml", ["seeds.until.error=0.2"])
    run = RunDirectory(tmp_path / "adaptive")
    drive(run, plan, accuracies(plan))
    alone = tmp_path / "alone"
    alone.mkdir()
    run.results.rename(alone / "results")
    assert set(study(alone).differences["verdict"]) == {Verdict.UNTESTED}


def test_differences_between_runs_say_that_they_do_not_allow_for_looks(run: RunDirectory, tmp_path: Path) -> None:
    fixed = plan_sweep(tmp_path / "adaptive.yaml", ["seeds=3", "name=fixed"])
    other = RunDirectory(tmp_path / "fixed")
    drive(other, fixed, accuracies(fixed))
    _, between = tables(study(other.path, run.path), "differences")
    assert any("does not allow for adaptive seeds" in note for note in between.notes)
