"""Real candidates are chosen by held-out images: what the test images show changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import PreparedDataset, load_prepared
from fdt_core.results.tuning import TUNED
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.adaptive.tuned_cells import TunedCells
from orchestrator.run.ledger import Ledger
from orchestrator.run.report_rows import RowContext, trial_row
from orchestrator.run.stored_rows import TrialRow
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from tests.orchestrator.tuned_plans import tuned_plan, tuning_of

SWEEP = """\
name: tuned
models: [vgg11]
width: 0.0625
templates: [base, a]
datasets: [digits]
seeds: 1
recipe: {base: quick, epochs: 3, batch_size: 64, flip: false, cutout: 0}
tune:
  vary: {learning_rate: [0.003, 0.05, 0.2]}
  halving: {factor: 3, first: 2}
"""


@pytest.mark.trainer
def test_with_poisoned_test_images_the_same_candidates_go_on_and_win(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path, SWEEP)
    prepare_dataset("digits", tmp_path)
    clean = load_prepared("digits", tmp_path)
    poisoned = dataclasses.replace(
        clean, test_labels=np.roll(clean.test_labels, 1), test_images=np.zeros_like(clean.test_images)
    )
    chosen = [tuned_on(plan, data, tmp_path / name) for name, data in (("clean", clean), ("poisoned", poisoned))]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 2 * 3


def tuned_on(plan: SweepPlan, data: PreparedDataset, directory: Path) -> list[tuple[str, str, tuple[float, ...]]]:
    """Tune on these data; returns template, candidate and validation accuracies, winners marked."""
    ledger, rows = Ledger(), list[dict[str, Any]]()
    cells = TunedCells(plan.cells, tuning_of(plan), ledger)
    on_device = DeviceDataset(data, "cpu")
    context = RowContext(provenance={}, dataset_digests={"digits": data.digest}, device="cpu")
    while wanted := [cell for cell in plan.cells if cell.stage == TUNED and cells.wants(cell.trial_id)]:
        for cell in wanted:
            checkpoints = TrialCheckpoints(directory / cell.trial_id)
            until = cells.until(cell.trial_id)
            training = Training(cell.spec, on_device, device="cpu", checkpoints=checkpoints, until=until)
            list(training.epochs())
            result = training.result()
            report = TrialReport(
                trial_id=cell.trial_id,
                attempt=ledger.record(cell.trial_id).attempt + 1,
                place=ProcessLocation(hostname="here", pid=1),
                epochs=result.history,
                outcome=Outcome(result.status),
                result=result,
            )
            row: dict[str, Any] = trial_row(cell, report, context)
            rows.append(row)
            ledger.add(cast(TrialRow, row))
            cells.ended(cell.trial_id)
    standing = {(cell.template, cell.candidate) for cell in plan.cells if cells.represents_point(cell)}
    return sorted(
        (row["template"], row["candidate"] + "*" * ((row["template"], row["candidate"]) in standing), tuple(scores))
        for row in rows
        if (scores := row["rung_accuracies"])
    )
