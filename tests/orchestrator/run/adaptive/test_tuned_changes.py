"""A tuned run whose sweep file changes, whose trials are retried, or that takes rows of another run along."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from analysis import load
from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.adaptive.wanted_cells import WantedCells, left_at_most
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.ledger import Ledger
from orchestrator.run.plan_change import change_to
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import read_trial_rows
from orchestrator.status.run_status import run_status
from tests.orchestrator.histories import leave_working
from tests.orchestrator.scripted_runs import drive_scripted_run
from tests.orchestrator.tuned_plans import (
    BOTH_SAMPLERS,
    TPE_SWEEP,
    TUNED_SWEEP,
    final_accuracies,
    trained,
    tuned_plan,
    tuning_cells,
    tuning_of,
)

pytestmark = pytest.mark.study


def test_more_candidates_of_tpe_train_only_what_is_missing(run: RunDirectory, tmp_path: Path) -> None:
    """The batches become larger, and would be other ones; what has a result counts first."""
    few, more = (tuned_plan(tmp_path, TPE_SWEEP.replace("trials: 9", f"trials: {count}")) for count in (9, 12))
    found = final_accuracies(more)
    drive_scripted_run(run, few, TPE_SWEEP, found)
    drive_scripted_run(run, more, TPE_SWEEP, found)
    rows = trained(run)
    assert rows[rows.stage == TUNED].groupby("template").candidate.nunique().tolist() == [12, 12, 12]
    assert run_status(run).progress.left == 0


def ends_alike_for_all_readers(run: RunDirectory, candidates: int) -> None:
    """Nothing is left, and status, the driver and analysis know the same candidates and winners."""
    progress, results = run_status(run).progress, load(run.path)
    assert (progress.left, progress.pending, progress.done, progress.total) == (0, 0, 6, 3 * candidates + 6)
    assert results.trials[["template", "seed"]].value_counts().tolist() == [1] * 6
    compared = results.trials.groupby("template").candidate.agg(set)
    for group in results.tuned:
        assert len(group.candidates) == candidates
        assert compared[group.template] == {group.halving.winner}


@pytest.mark.parametrize(
    ("before", "after", "candidates"),
    [
        (TUNED_SWEEP, TPE_SWEEP.replace("trials: 9", "trials: 4"), 4),
        (TUNED_SWEEP, TPE_SWEEP.replace("trials: 9", "trials: 12"), 12),
        (TPE_SWEEP, TPE_SWEEP.replace("trials: 9", "trials: 5"), 5),
        (TPE_SWEEP, TUNED_SWEEP, 9),
    ],
    ids=["random, then fewer by tpe", "random, then more by tpe", "tpe, then fewer", "tpe, then random"],
)
def test_another_sampler_or_budget_leaves_nothing_undecided_and_all_readers_agree(
    run: RunDirectory, tmp_path: Path, before: str, after: str, candidates: int
) -> None:
    first, second = tuned_plan(tmp_path, before), tuned_plan(tmp_path, after)
    found = final_accuracies(first) | final_accuracies(second)
    drive_scripted_run(run, first, before, found)
    while drive_scripted_run(run, second, after, found, most=5, order=1):
        pass
    ends_alike_for_all_readers(run, candidates)


def test_rows_that_come_along_from_a_run_with_more_candidates_do_not_make_the_budget_larger(
    run: RunDirectory, tmp_path: Path
) -> None:
    former, few = tuned_plan(tmp_path), tuned_plan(tmp_path, TPE_SWEEP.replace("trials: 9", "trials: 4"))
    drive_scripted_run(run, former, TUNED_SWEEP, final_accuracies(former))
    other = RunDirectory(tmp_path / "other")
    drive_scripted_run(other, few, TPE_SWEEP, final_accuracies(few), reuse=[run.path])
    ends_alike_for_all_readers(other, 4)
    rows = read_trial_rows(other.results)
    dropped = set(WantedCells(few.cells, None, Ledger(rows), few.tuning).eliminated())
    stopped = {row["trial_id"] for row in rows if row["status"] == "stopped"}
    assert dropped == stopped, "nothing needs their checkpoints, those that came along included"


@BOTH_SAMPLERS
def test_what_is_left_is_estimated_also_after_a_retry_or_more_candidates_open_a_rung_again(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    """Candidates that had come further before trained minus two more epochs, which ended every launch with an error."""
    lost = next(cell for cell in tuning_cells(plan) if cell.template == "base").trial_id
    found = final_accuracies(plan)
    drive_scripted_run(run, plan, TUNED_SWEEP, {each: value for each, value in found.items() if each != lost})
    rows = read_trial_rows(run.results)
    assert left_at_most(plan, Ledger(rows)) == []
    attempt = max(row["attempt"] for row in rows if row["trial_id"] == lost)
    left = left_at_most(plan, Ledger(rows, {lost: attempt}))
    assert [cell.spec.recipe.epochs for cell in left if cell.trial_id == lost] == [3], "the first drawn would go on"
    text = (TPE_SWEEP if tuning_of(plan).tpe else TUNED_SWEEP).replace("trials: 9", "trials: 12")
    more = left_at_most(tuned_plan(tmp_path, text), Ledger(rows))
    assert sum(cell.spec.recipe.epochs == 1 for cell in more) >= 9


def test_more_seeds_train_the_winner_and_more_candidates_decide_anew(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    before = len(trained(run))
    seeds = tuned_plan(tmp_path, TUNED_SWEEP.replace("seeds: 2", "seeds: 3"))
    assert drive_scripted_run(run, seeds, TUNED_SWEEP, final_accuracies(seeds)) == 3
    more = tuned_plan(tmp_path, TUNED_SWEEP.replace("trials: 9", "trials: 12"))
    # Three new candidates of each template, of which some go on; who was trained is not trained again.
    drive_scripted_run(run, more, TUNED_SWEEP, final_accuracies(more))
    new = trained(run).iloc[before + 3 :]
    known = {cell.trial_id for cell in tuning_cells(plan)}
    assert len(new[(new.epochs_trained == 1) & ~new.trial_id.isin(known)]) == 9
    assert not ((new.epochs_trained == 1) & new.trial_id.isin(known)).any()


def test_new_candidates_may_change_the_winner_and_the_trainings_of_the_former_one_count_in_nothing(
    run: RunDirectory, tmp_path: Path
) -> None:
    few = tuned_plan(tmp_path, TUNED_SWEEP.replace("trials: 9", "trials: 3"))
    more = tuned_plan(tmp_path)
    found = final_accuracies(more)
    drive_scripted_run(run, few, TUNED_SWEEP, found)
    first = run_status(run)
    drive_scripted_run(run, more, TUNED_SWEEP, found)
    status = run_status(run)
    chosen = [set(trained(run)[lambda rows: rows.stage == COMPARED].groupby("template").candidate.agg(set).map(len))]
    assert max(chosen[0]) > 1, "some template has another winner"
    assert first.progress.done == 6
    assert (status.progress.done, status.progress.spared, status.progress.left) == (6, 0, 0)
    assert status.progress.total == 33


def test_a_former_winner_whose_trainings_failed_holds_no_new_one_back(run: RunDirectory, tmp_path: Path) -> None:
    seeds = TUNED_SWEEP.replace("seeds: 2", "seeds: 4")
    few = tuned_plan(tmp_path, seeds.replace("trials: 9", "trials: 3"))
    more = tuned_plan(tmp_path, seeds)
    found = final_accuracies(more)
    drive_scripted_run(run, few, seeds, {each: value for each, value in found.items() if each not in _compared(few)})
    failed = run_status(run).progress
    assert failed.failed + failed.held_back == 12
    drive_scripted_run(run, more, seeds, found)
    ended = run_status(run)
    winners = {cell.template for cell in few.cells if cell.stage == COMPARED}
    assert ended.progress.left == 0
    assert ended.progress.done >= 4, "templates with another winner are compared"
    assert winners == {"base", "a", "b"}


def _compared(plan: SweepPlan) -> set[str]:
    return {cell.trial_id for cell in plan.cells if cell.stage == COMPARED}


def test_a_twin_that_was_left_out_for_a_while_gets_the_later_rungs_too(run: RunDirectory, tmp_path: Path) -> None:
    """Templates of equal widths share their trainings, and each has rows of its own."""
    twins = TUNED_SWEEP.replace("[base, a, b]", "[base, a, {name: a2, points: [[0, 0], [1, 1]]}]")
    plan = tuned_plan(tmp_path, twins)
    shared = {cell.trial_id for cell in plan.cells if cell.template == "a"}
    assert shared == {cell.trial_id for cell in plan.cells if cell.template == "a2"}
    found = final_accuracies(plan)
    drive_scripted_run(run, plan, twins, found, most=20)
    drive_scripted_run(run, plan.matching(["template=a"]), twins, found)
    drive_scripted_run(run, plan, twins, found)
    rows = trained(run)
    last = rows[rows.stage == TUNED].sort_values("attempt").drop_duplicates(["template", "trial_id"], keep="last")
    reached = {name: Counter(of.epochs_trained) for name, of in last.groupby("template")}
    assert reached["a"] == reached["a2"] == Counter({1: 6, 3: 3})
    results = load(run.path)
    assert set(results.planned.template) == {"base", "a", "a2"}
    assert results.trials[["template", "seed"]].value_counts().tolist() == [1] * 6


def test_under_another_name_a_tuned_sweep_takes_its_rows_along_also_if_it_is_half_done(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    found = final_accuracies(plan)
    in_all = drive_scripted_run(RunDirectory(tmp_path / "alone"), plan, TUNED_SWEEP, found)
    renamed = tuned_plan(tmp_path, TUNED_SWEEP.replace("name: tuned", "name: renamed"))
    for most in (13, 33, 100):
        drive_scripted_run(run, plan, TUNED_SWEEP, found, most=most)
        other = RunDirectory(tmp_path / f"renamed{most}")
        ended = len(trained(run).trial_id.unique())
        more = drive_scripted_run(other, renamed, TUNED_SWEEP, found, reuse=[run.path])
        assert more <= in_all - ended
        rows = trained(other)
        assert set(rows.sweep) == {"renamed"}
        last = rows.sort_values("attempt").drop_duplicates("trial_id", keep="last")
        assert Counter(zip(last.status, last.epochs_trained, strict=True)) == {
            ("stopped", 1): 18,
            ("stopped", 3): 9,
            ("done", 9): 6,
        }
    assert more == 0
    # In the run itself, a new name of the sweep only gets new labels.
    assert drive_scripted_run(run, renamed, TUNED_SWEEP, found) == 0
    relabelled = trained(run)
    assert Counter(relabelled[relabelled.sweep == "renamed"].stage) == {TUNED: 27, COMPARED: 6}


def test_the_state_of_candidates_that_wait_for_their_rung_comes_along_and_stays(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan), most=5)
    waiting = [cell for cell in tuning_cells(plan) if cell.trial_id in set(trained(run).trial_id)]
    for cell in waiting:
        leave_working(run, cell)
    renamed = tuned_plan(tmp_path, TUNED_SWEEP.replace("name: tuned", "name: renamed"))
    other = RunDirectory(tmp_path / "renamed")
    drive_scripted_run(other, renamed, TUNED_SWEEP, final_accuracies(plan), most=0, reuse=[run.path])
    assert len(trained(other)) == len(waiting) == 5
    kept = {path.parent.name for path in other.checkpoints.glob("*/working-*.pt")}
    assert kept == {cell.trial_id for cell in waiting}


def test_while_a_candidate_is_retried_analysis_takes_no_choice_that_the_sweep_takes_back(
    run: RunDirectory, plan: SweepPlan
) -> None:
    lost = next(cell for cell in tuning_cells(plan) if cell.template == "base").trial_id
    found = final_accuracies(plan)
    drive_scripted_run(run, plan, TUNED_SWEEP, {each: value for each, value in found.items() if each != lost})
    assert [group.halving.decided for group in load(run.path).tuned] == [True, True, True]
    run.forgive({lost: 2})
    status = run_status(run).tuning
    assert status is not None
    decided = {group.template: group.halving.decided for group in load(run.path).tuned}
    assert decided == {"base": False, "a": True, "b": True}
    assert status.chosen == 2
    drive_scripted_run(run, plan, TUNED_SWEEP, found)
    assert all(group.halving.decided for group in load(run.path).tuned)


@pytest.mark.parametrize("text", [TUNED_SWEEP, TPE_SWEEP], ids=["random", "tpe"])
def test_a_change_of_the_plan_is_counted_by_trainings_that_may_be_compared(tmp_path: Path, text: str) -> None:
    plan = tuned_plan(tmp_path, text)
    run = RunDirectory(tmp_path / "tuned")
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    settings = LaunchSettings(data_directory=str(tmp_path))
    for overrides, change in (
        (("seeds=3",), "0 trials drop out, 3 are new, 33 stay"),
        (("seeds=1",), "3 trials drop out (3 of them finished), 0 are new, 30 stay"),
        (("tune.sample.trials=12",), "0 trials drop out, 9 are new, 33 stay"),
    ):
        launch = new_launch(tmp_path / "tuned.yaml", runs_dir=tmp_path, overrides=overrides, settings=settings)
        assert str(change_to(launch)) == change
