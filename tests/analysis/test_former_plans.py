"""After a change of the sweep file, the plan decides which rows count: in frames, tables and statements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Study, load, study
from analysis.former import former_rows
from analysis.needs import choices
from analysis.rendering import FORMATS, render
from analysis.report import render_page
from analysis.statistics.limits import statements
from analysis.statistics.ranks import rank_analysis
from analysis.tables import former_tables, tables
from fdt_core.errors import EnvironmentProblem
from fdt_core.results.looks import MARGIN
from tests.analysis.synthetic import STARTED, done, epoch_rows, trial_row, write_run

pytestmark = pytest.mark.study

StudyOf = Callable[..., Study]
Row = dict[str, Any]

LATER = STARTED.replace(year=2027)


def cell(template: str = "base", seed: int = 0, **given: Any) -> Row:
    return done(90.0 + seed, template=template, seed=seed, **given)


CHANGES: dict[str, tuple[Row, str]] = {
    "template": (cell("old"), "template old not planned"),
    "data set": (cell(dataset="cifar100"), "data set cifar100 not planned"),
    "seed": (cell(seed=7), "seed 7 not planned"),
    "recipe": (cell(learning_rate=0.5), "learning_rate 0.5 (plan: 0.1)"),
    "milestones": (cell(milestones=[1], trial_id="x"), "milestones 1 (plan: 60, 120, 160)"),
    "budget": (cell(budget_metric="macs", widths=[1, 2], trial_id="x"), "budget_metric macs (plan: paper_flops)"),
    "rule": (cell(budget_rule="at_most"), "budget_rule at_most (plan: nearest)"),
    "sweep": (cell(sweep="before"), "sweep before (plan: synthetic)"),
    "width": (cell(width=0.5), "width 0.5 (plan: 1)"),
    "code": (cell(trial_id="x"), "code of the model or of fdt-sweep"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_of_a_former_plan_counts_nowhere_and_is_shown_apart_with_its_differences(
    study_of: StudyOf, change: str
) -> None:
    """Even if the planned cell has no row yet: it is missing, and another training never fills it."""
    old, difference = CHANGES[change]
    planned = [cell(), cell(seed=1)]
    seen = study_of([planned[1], {**old, "finished_at": LATER}], planned=planned)
    assert seen.outcomes["status"].tolist() == ["missing", "done"]
    assert seen.cells["mean"].tolist() == [91.0]
    assert seen.results.trials["seed"].tolist() == [1]
    assert seen.results.former["trial_id"].tolist() == [old["trial_id"]]
    assert seen.results.left_out == ("run: 1 row of former plans left out; --all shows them, marked",)
    assert former_rows(seen)["difference"].str.contains(difference, regex=False).item()
    (shown,) = former_tables(seen)
    assert f"former: {former_rows(seen)['difference'].item()}" in render([shown], "csv").replace('"', "")


def test_of_two_trainings_of_one_cell_the_planned_one_counts(study_of: StudyOf) -> None:
    old, new = cell(learning_rate=0.5, finished_at=LATER), cell()
    assert study_of([old, new], planned=[new]).outcomes["learning_rate"].tolist() == [0.1]
    assert study_of([old, new], planned=[old], name="other").outcomes["learning_rate"].tolist() == [0.5]


def test_a_former_failure_is_not_a_failure_of_the_plan(study_of: StudyOf) -> None:
    old = trial_row(status="failed", failure_kind="oom", error="out of memory", learning_rate=0.5)
    seen = study_of([old, cell()], planned=[cell()])
    assert tables(seen, "failures") == []
    assert seen.cells["failed"].tolist() == [0]


def test_columns_known_before_training_come_from_the_plan(study_of: StudyOf) -> None:
    """A template may lead to the same trial under another target, while its row still has the former target."""
    old = cell(budget_target=1.0, budget_error=0.5)
    assert study_of([old], planned=[cell()]).cells["budget_error"].tolist() == [0.0]


def test_the_learning_curves_are_those_of_planned_trials(tmp_path: Path) -> None:
    new, old, unfinished = cell(), cell(learning_rate=0.5), cell(learning_rate=0.7)
    epochs = [row for trial in (new, old, unfinished) for row in epoch_rows(trial, 2)]
    results = load(write_run(tmp_path / "run", [new, old], epochs=epochs, planned=[new]))
    assert set(results.epochs["trial_id"]) == {new["trial_id"]}


def test_each_of_several_runs_is_read_with_its_plan(tmp_path: Path) -> None:
    slow, fast = cell(), cell(learning_rate=0.5)
    one = write_run(tmp_path / "one", [slow, fast], planned=[slow])
    two = write_run(tmp_path / "two", [slow, fast], planned=[fast])
    seen = study(one, two)
    assert seen.outcomes.set_index("run")["learning_rate"].to_dict() == {"one": 0.1, "two": 0.5}
    assert len(seen.results.left_out) == 2
    assert "The runs differ in learning_rate" in render(tables(seen, "differences"), "text")


def test_a_run_without_a_plan_shows_all_rows_and_never_averages_two_recipes(tmp_path: Path) -> None:
    rows = [cell(), cell(learning_rate=0.5, finished_at=LATER), cell(seed=1), cell("a")]
    path = write_run(tmp_path / "run", rows)
    (path / "plan.json").unlink()
    seen = study(path)
    assert seen.outcomes["learning_rate"].tolist() == [0.1, 0.5, 0.1]
    assert len(seen.results.trials) + len(seen.results.former) == len(rows)
    assert any("no plan.json" in note for note in seen.results.notes)


@pytest.mark.parametrize("text", ["[]", "{}", '{"trials": 5}', '{"trials": [{}]}', "\x00", '{"trials": [5]}'])
def test_a_file_that_is_not_a_plan_is_damage_and_not_an_empty_plan(tmp_path: Path, text: str) -> None:
    path = write_run(tmp_path / "run", [cell()])
    (path / "plan.json").write_text(text)
    with pytest.raises(EnvironmentProblem, match=r"plan\.json is damaged .*launch the sweep file again"):
        load(path)


@settings(max_examples=25, deadline=None)
@given(
    trained=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.sampled_from([0.1, 0.5]), st.booleans()),
        unique=True,
        max_size=12,
    ),
    rate=st.sampled_from([0.1, 0.5]),
    templates=st.sampled_from(["a", "b", "ab"]),
    seeds=st.integers(1, 3),
)
def test_after_any_change_of_the_plan_exactly_its_rows_count(
    tmp_path_factory: pytest.TempPathFactory,
    trained: list[tuple[str, int, float, bool]],
    rate: float,
    templates: str,
    seeds: int,
) -> None:
    """The oracle: a planned cell has the accuracy of its trial's row, or is missing."""
    rows = {
        (name, seed, lr): trial_row(
            template=name, seed=seed, learning_rate=lr, status="done" if ended else "failed",
            final_test_accuracy=100 * lr + seed if ended else None,
        )
        for name, seed, lr, ended in trained
    }  # fmt: skip
    planned = [trial_row(template=name, seed=seed, learning_rate=rate) for name in templates for seed in range(seeds)]
    seen = study(write_run(tmp_path_factory.mktemp("runs") / "run", rows.values(), planned=planned))
    expected = [
        rows.get((name, seed, rate), {"status": "missing"}) for name in sorted(templates) for seed in range(seeds)
    ]
    assert seen.outcomes["status"].tolist() == [row["status"] for row in expected]
    assert [None if value != value else value for value in seen.outcomes["accuracy"].tolist()] == [
        row.get("final_test_accuracy") for row in expected
    ]
    assert len(seen.results.former) == len(rows) - sum("template" in row for row in expected)


def test_all_formats_and_the_page_show_former_rows_only_on_request(study_of: StudyOf) -> None:
    rows = [cell(epochs=1), cell("old name", epochs=1)]
    seen = study_of(rows, planned=rows[:1], epochs=[row for trial in rows for row in epoch_rows(trial, 1)])
    for format in FORMATS:
        assert "old name" not in render(tables(seen, "all"), format)
        assert "old name" in render(former_tables(seen), format)
    without, with_them = render_page(seen), render_page(seen, former=True)
    assert "old name" not in without
    assert "1 row of former plans left out" in without
    assert "template old name not planned" in with_them
    assert "left out; --all" not in with_them


def seeds(template: str, values: list[float], **given: Any) -> list[Row]:
    return [done(value, template=template, seed=seed, **given) for seed, value in enumerate(values)]


@pytest.mark.parametrize("unlike", [{"learning_rate": 0.5}, {"dataset_digest": "other"}])
def test_a_difference_between_recipes_or_data_leads_to_no_conclusion(study_of: StudyOf, unlike: Row) -> None:
    """As when an override gives one template a different recipe. Without it, the same numbers are separated."""
    base, other = [90.0, 90.1, 90.2], [99.0, 99.11, 99.2]
    alike = study_of(seeds("base", base) + seeds("a", other))
    assert alike.differences["verdict"].tolist() == ["superior"]
    seen = study_of(seeds("base", base) + seeds("a", other, params=5, **unlike), name="unlike")
    difference = seen.differences.iloc[0]
    assert difference["verdict"] == "untested"
    assert difference["difference"] == pytest.approx(9.003, abs=1e-3)
    assert difference[["low", "high", "p", "effect"]].isna().all()
    (sentence,) = statements(seen.differences, MARGIN)
    assert "1 between cells that were trained by different recipes or on different data" in sentence
    by_need = {each.need: each.certainty for each in choices(seen)["vgg19"]}
    assert by_need["accuracy (mean of data sets)"] == (
        "highest on 1 of 1 data sets; trained by a different recipe or on different data: a; not tested: base"
    )
    assert by_need["parameters, at most 0.5 points lost"].startswith("no smaller template is shown to stay within")
    assert "surely" not in " ".join(by_need.values())


def test_one_seed_of_another_recipe_makes_a_pair_unlike(study_of: StudyOf) -> None:
    a = seeds("a", [99.0, 99.11, 99.2])
    a[1] = done(99.11, template="a", seed=1, learning_rate=0.5)
    assert study_of(seeds("base", [90.0, 90.1, 90.2]) + a).differences["verdict"].tolist() == ["untested"]


def test_blocks_that_compare_recipes_are_not_ranked(study_of: StudyOf) -> None:
    trials = seeds("base", [90.0]) + seeds("a", [91.0], learning_rate=0.5)
    trials += seeds("base", [90.0], dataset="cifar100") + seeds("a", [91.0], dataset="cifar100")
    found = rank_analysis(study_of(trials).cells)
    assert (found.datasets, found.left_out) == (1, 1)


def test_runs_are_compared_for_their_recipes_but_never_on_different_data(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", seeds("base", [90.0, 90.1, 90.2]))
    two = write_run(tmp_path / "two", seeds("base", [95.0, 95.11, 95.2], learning_rate=0.5))
    other = write_run(tmp_path / "other", seeds("base", [95.0, 95.11, 95.2], dataset_digest="other"))
    assert study(one, two).differences_between_runs["verdict"].tolist() == ["superior"]
    assert study(one, other).differences_between_runs["verdict"].tolist() == ["untested"]
