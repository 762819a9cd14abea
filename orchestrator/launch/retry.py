"""A retry: given-up trials get new attempts. What to forgive is decided once, and frozen in the run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fdt_core.errors import UsageError, unknown_name
from fdt_core.trial.attempts import ATTEMPTS
from orchestrator.launch.prepare import frozen_launch_again
from orchestrator.plan.cells import Cell
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.launch_record import Launch, frozen_launch
from orchestrator.run.run_directory import RunDirectory

_ANY = ("failed", "all")


def retry_launch(
    run: RunDirectory,
    kind: str,
    *,
    limit: int | None = None,
    filters: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> tuple[Launch, tuple[Cell, ...]]:
    """The frozen launch with the failures of given-up trials forgiven; and those trials.

    Args:
        run: the run.
        kind: a failure kind, or `failed` or `all` for any.
        limit: forgive at most this many trials, the first ones of the plan.
        filters: forgive only trials of the cells that these options `--filter` keep.
        overrides: `--set` options of the sweep file that change no trial, such as `resources.time_limit=3600`.

    Raises:
        UsageError: for an unknown kind, a wrong filter, or overrides that make other trials.
    """
    if kind not in (*_ANY, *ATTEMPTS):
        raise unknown_name("failure kind", kind, (*_ANY, *ATTEMPTS))
    launch = frozen_launch_again(run, overrides)
    _refuse_other_trials(launch, overrides)
    ledger = launch.ledger()
    wanted = WantedCells(launch.plan.cells, launch.plan.looks, ledger, launch.plan.tuning)
    given_up = {
        cell.trial_id: cell
        for cell in reversed(launch.plan.matching(filters).cells)
        if wanted.counts(cell)
        and ledger.record(cell.trial_id).given_up
        and (kind in _ANY or kind in ledger.record(cell.trial_id).counted_failures)
    }
    chosen = tuple(reversed(given_up.values()))[:limit]
    forgiven = {cell.trial_id: ledger.record(cell.trial_id).attempt for cell in chosen}
    return replace(launch, forgiven={**launch.forgiven, **forgiven}), chosen


def _refuse_other_trials(launch: Launch, overrides: Sequence[str]) -> None:
    if not overrides:
        return
    keys = {cell.key for cell in launch.plan.cells}
    if keys != {cell.key for cell in frozen_launch(launch.run).plan.cells}:
        raise UsageError(
            f"--set {' --set '.join(overrides)}: makes other trials than those that failed: "
            "a retry may set how they run (such as resources.time_limit); to change them, launch the sweep file"
        )
