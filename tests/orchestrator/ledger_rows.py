"""Rows of `trials` as a ledger reads them."""

from __future__ import annotations

from collections.abc import Sequence

from fdt_core.results.tuning import Score
from orchestrator.plan.cells import Cell
from orchestrator.run.stored_rows import TrialRow


def row(
    cell: Cell,
    status: str,
    *,
    kind: str | None = None,
    attempt: int = 1,
    accuracy: float = 90.0,
    scores: Sequence[Score] = (),
) -> TrialRow:
    """The row of an attempt that ended with this status; `scores` are those of a candidate's rungs."""
    return {
        "trial_id": cell.trial_id,
        "sweep": cell.sweep,
        "model": cell.spec.model,
        "template": cell.template,
        "dataset": cell.spec.dataset,
        "variant": cell.variant,
        "budget_rule": cell.budget_rule,
        "status": status,
        "failure_kind": kind,
        "error": None,
        "attempt": attempt,
        "final_test_accuracy": accuracy if status == "done" else None,
        "epochs_trained": cell.rungs[len(scores) - 1] if scores else None,
        "rung_accuracies": [score.accuracy for score in scores],
        "rung_losses": [score.loss for score in scores],
        "dataset_digest": "digest",
    }
