"""What a tuned run records, and what status, verify, gc, plan and analysis make of it."""

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
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.plan_text import plan_text
from orchestrator.status.run_status import TuningStatus, run_status
from orchestrator.status.status_text import status_text
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


def test_verify_finds_scores_that_the_epochs_do_not_show(run: RunDirectory, plan: SweepPlan) -> None:
    drive_scripted_run(run, plan, TUNED_SWEEP, final_accuracies(plan))
    (part, *_) = sorted((run.results / "trials").glob("*.parquet"))
    table = pq.read_table(part)
    rows = table.to_pylist()
    next(row for row in rows if row["stage"] == TUNED)["rung_accuracies"][0] = 99.9
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), part)
    assert any("has the validation accuracy 99.9 at epoch 1" in each.what for each in verify_run(run).problems)


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
