"""What a tuned run records, and what commands make of it: status, verify, changes of its plan."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import load
from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.launch.prepare import new_launch
from orchestrator.maintenance.garbage import find_garbage
from orchestrator.maintenance.verification import verify_run
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.adaptive.wanted_cells import left_at_most
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.ledger import Ledger
from orchestrator.run.plan_change import change_to
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import read_trial_rows
from orchestrator.status.plan_text import plan_text
from orchestrator.status.run_status import TuningStatus, run_status
from orchestrator.status.status_text import status_text
from tests.orchestrator.histories import leave_working
from tests.orchestrator.scripted_runs import drive_scripted_run
from tests.orchestrator.tuned_plans import TPE_SWEEP, TUNED_SWEEP, final_accuracies, tuned_plan, tuning_cells, tuning_of

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    return tuned_plan(tmp_path_factory.mktemp("plan"), getattr(request, "param", TUNED_SWEEP))


BOTH_SAMPLERS = pytest.mark.parametrize("plan", [TUNED_SWEEP, TPE_SWEEP], ids=["random", "tpe"], indirect=True)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "tuned")


def trained(run: RunDirectory) -> pd.DataFrame:
    return pd.read_parquet(run.results / "trials")


def test_a_row_of_a_candidate_says_how_far_it_came_and_nothing_of_test_images(
    run: RunDirectory, plan: SweepPlan
) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    rows = trained(run)
    tuned, compared = rows[rows.stage == TUNED], rows[rows.stage == COMPARED]
    assert Counter(zip(tuned.status, tuned.epochs_trained, strict=True)) == {("stopped", 1): 27, ("stopped", 3): 9}
    assert (tuned.rung_accuracies.map(len) == tuned.epochs_trained.map({1: 1, 3: 2})).all()
    assert tuned.final_test_accuracy.isna().all()
    assert tuned.best_test_accuracy.isna().all()
    assert Counter(compared.status) == {"done": 6}
    assert compared.final_test_accuracy.notna().all()
    assert (compared.candidate == "learning_rate=" + compared.learning_rate.map("{:g}".format)).all()
    epochs = pd.read_parquet(run.results / "epochs").merge(rows[["trial_id", "stage"]].drop_duplicates(), on="trial_id")
    assert epochs[epochs.stage == TUNED].test_accuracy.isna().all()


@BOTH_SAMPLERS
def test_a_run_that_goes_on_after_any_number_of_trials_has_the_same_rows(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    found, broken = final_accuracies(plan), RunDirectory(tmp_path / "broken")
    drive_scripted_run(run, plan, TUNED_SWEEP, found)
    step = 1
    while drive_scripted_run(broken, plan, TUNED_SWEEP, found, most=step, order=step):
        step = step % 7 + 1
    columns = ["trial_id", "attempt", "status", "epochs_trained", "candidate"]
    once, again = (trained(each)[columns].sort_values(columns, ignore_index=True) for each in (run, broken))
    pd.testing.assert_frame_equal(once, again)


@BOTH_SAMPLERS
def test_status_shows_the_comparison_and_how_far_the_tuning_is(run: RunDirectory, plan: SweepPlan) -> None:
    found = final_accuracies(plan)
    drive_scripted_run(run, plan, TUNED_SWEEP, found, most=5)
    status = run_status(run)
    not_asked = 3 * 9 - 9 - 3 if tuning_of(plan).tpe else 0  # three batches of three are running, and a fourth
    assert (status.tuning, status.progress.left, status.progress.pending) == (TuningStatus(3, 0, 0), 33, 6 + not_asked)
    assert "0 done, 0 diverged, 0 failed, 33 left of 33" in status_text(status)
    assert "vgg11 digits:  a 0/2  b 0/2  base 0/2" in status_text(status)
    drive_scripted_run(run, plan, TUNED_SWEEP, found)
    status = run_status(run)
    assert status.tuning == TuningStatus(3, 3, 0)
    assert "6 done, 0 diverged, 0 failed, 27 stopped by tuning, 0 left of 33" in status_text(status)
    assert "settings chosen for 3 of 3" in status_text(status)
    assert "vgg11 digits:  a 2/2  b 2/2  base 2/2" in status_text(status)


@BOTH_SAMPLERS
def test_a_template_of_which_no_candidate_has_a_result_is_not_compared_and_status_says_so(
    run: RunDirectory, plan: SweepPlan
) -> None:
    lost = {cell.trial_id for cell in tuning_cells(plan) if cell.template == "a"}
    found = {trial: accuracy for trial, accuracy in final_accuracies(plan).items() if trial not in lost}
    drive_scripted_run(run, plan, TUNED_SWEEP, found)
    status = run_status(run)
    assert status.tuning == TuningStatus(3, 2, 1)
    assert "4 done, 0 diverged, 9 failed, 2 spared, 18 stopped by tuning, 0 left of 33" in status_text(status)
    assert "settings chosen for 2 of 3; 1 not compared, as no candidate has a result" in status_text(status)


@BOTH_SAMPLERS
def test_verify_finds_nothing_wrong_with_a_tuned_run_and_gc_nothing_to_remove(
    run: RunDirectory, plan: SweepPlan, tmp_path: Path
) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    assert [each for each in verify_run(run).problems if each.path != Path("digits")] == []
    assert find_garbage(run) == []
    to_the_end = tuned_plan(tmp_path, TUNED_SWEEP.replace("  halving: {factor: 3, first: 1}\n", ""))
    other = RunDirectory(tmp_path / "to_the_end")
    drive_scripted_run(other, to_the_end, TUNED_SWEEP, final_accuracies(to_the_end))
    assert Counter(trained(other).status) == {"done": 27 + 6}
    assert [each for each in verify_run(other).problems if each.path != Path("digits")] == []


@pytest.mark.parametrize("plan", [TPE_SWEEP], ids=["tpe"], indirect=True)
def test_analysis_knows_the_candidates_that_tpe_asked_for_from_the_rows_alone(
    run: RunDirectory, plan: SweepPlan
) -> None:
    found = final_accuracies(plan)
    drive_scripted_run(run, plan, TPE_SWEEP, found, most=17)
    for group in load(run.path).tuned:
        assert 3 <= len(group.candidates) < 9
        assert group.winner is None
    drive_scripted_run(run, plan, TPE_SWEEP, found)
    results = load(run.path)
    compared = results.trials.groupby("template").candidate.agg(set)
    for group in results.tuned:
        assert len(group.candidates) == 9
        assert {group.halving.winner} == compared[group.template]
        assert [each.name for each in group.drawn or ()] == list(tuning_of(plan).candidates[:3])
    assert results.trials[["template", "seed"]].value_counts().tolist() == [1] * 6
    assert len(results.former) == 0


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


def test_verify_finds_scores_that_the_epochs_do_not_show(run: RunDirectory, plan: SweepPlan) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    (part, *_) = sorted((run.results / "trials").glob("*.parquet"))
    table = pq.read_table(part)
    rows = table.to_pylist()
    next(row for row in rows if row["stage"] == TUNED)["rung_accuracies"][0] = 99.9
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), part)
    assert any("has the validation accuracy 99.9 at epoch 1" in each.what for each in verify_run(run).problems)


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


def test_a_plan_says_what_the_tuning_takes(tmp_path: Path) -> None:
    tuned_plan(tmp_path)
    settings = LaunchSettings(data_directory=str(tmp_path))
    text = plan_text(new_launch(tmp_path / "tuned.yaml", runs_dir=tmp_path, settings=settings))
    assert "sweep tuned: 6 trials\n" in text
    assert (
        "tuning    before them 27 trainings: 9 candidates (learning_rate) for each model, template and data set" in text
    )
    assert "9 to epoch 1, 3 to epoch 3; judged by 10 % of the training images" in text
    assert "to run 33" in text
    assert "to be seen in 33 trainings" in text
    assert "seed      0 (3), 1 (3)" in text
    assert "for candidates that wait for their rung" in text
