"""From a trial's reports to the rows of the results."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fdt_core.results.looks import Looks
from fdt_core.results.tuning import TUNED
from orchestrator.plan.cells import Cell
from orchestrator.trial.outcome import NOT_FAILED
from orchestrator.trial.report import TrialReport

if TYPE_CHECKING:
    from fdt_core.trial.history import EpochRecord, TrainingResult
    from orchestrator.run.adaptive.wanted_cells import BlockDecision


@dataclass(frozen=True, kw_only=True)
class RowContext:
    """What all rows of one driver have in common, and the digests of its data."""

    provenance: Mapping[str, object]
    dataset_digests: Mapping[str, str]
    device: str


def trial_row(cell: Cell, report: TrialReport, context: RowContext) -> dict[str, object]:
    """The row of `trials` for a cell whose attempt ended with `report`."""
    failed = report.outcome not in NOT_FAILED
    return {
        **cell.columns(),
        "attempt": report.attempt,
        "status": "failed" if failed else str(report.outcome),
        "failure_kind": str(report.outcome) if failed else None,
        "error": report.error,
        **_outcome_columns(report.result),
        **_rung_columns(report.result, cell),
        "device": context.device,
        "hostname": report.place.hostname,
        "slurm_job_id": report.place.slurm_job_id,
        "finished_at": datetime.now(UTC),
        "dataset_digest": context.dataset_digests[cell.spec.dataset],
        **context.provenance,
    }


def decision_row(found: BlockDecision, sweep: str, looks: Looks) -> dict[str, object]:
    """The row of `decisions` for a decision, without when it was made."""
    decision = found.decision
    model, width, variant, dataset = found.block
    values = {
        "sweep": sweep,
        "model": model,
        "width": width,
        "dataset": dataset,
        "variant": variant,
        "template": found.template,
        "look": decision.look,
        "seeds": looks.seeds[decision.look - 1],
        "pairs": decision.pairs,
        **{name: getattr(decision, name) for name in ("difference", "standard_error", "df", "low", "high", "p")},
        "level": looks.levels[decision.look - 1],
        "margin": looks.margin,
        "error_rate": looks.error,
        "family": looks.family,
        "verdict": str(decision.verdict),
        "spared": found.spared,
    }
    return {name: None if value != value else value for name, value in values.items()}  # NaN is null


def epoch_row(report: TrialReport, record: EpochRecord) -> dict[str, object]:
    """The row of `epochs` for one of the report's epochs."""
    return {"trial_id": report.trial_id, "attempt": report.attempt, **dataclasses.asdict(record)}


def _rung_columns(result: TrainingResult | None, cell: Cell) -> dict[str, object]:
    """The validation scores of a candidate at the rungs that it reached before its loss stopped being finite, if so."""
    if result is None or cell.stage != TUNED:
        return {}
    at_rungs = [each for each in result.history if each.epoch in cell.rungs and math.isfinite(each.train_loss)]
    return {
        "rung_accuracies": [record.validation_accuracy for record in at_rungs],
        "rung_losses": [record.validation_loss for record in at_rungs],
    }


def _outcome_columns(result: TrainingResult | None) -> dict[str, object]:
    """Final and best metrics, and what the training cost."""
    if result is None:
        return {}
    columns: dict[str, object] = {
        "train_seconds": result.train_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "device_name": result.device_name,
        "devices": list(result.devices),
        "interruptions": result.interruptions,
        "started_at": result.started_at,
    }
    if not result.history:
        return columns
    last, best = result.history[-1], result.best
    return columns | {
        "epochs_trained": last.epoch,
        "final_test_accuracy": last.test_accuracy,
        "final_test_loss": last.test_loss,
        "final_train_loss": last.train_loss,
        "final_train_accuracy": last.train_accuracy,
        "final_validation_accuracy": last.validation_accuracy,
        "best_test_accuracy": best.test_accuracy if best else None,
        "best_epoch": best.epoch if best else None,
        "images_per_second": result.images_per_second,
    }
