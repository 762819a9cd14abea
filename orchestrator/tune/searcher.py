"""Gives trials to Ray Tune one by one, so that what has happened so far decides which comes next."""

from __future__ import annotations

from collections.abc import Callable

from ray.tune.search import Searcher

from orchestrator.trial.order import TrialOrder


class BacklogSearcher(Searcher):
    """Ray Tune asks this searcher for its next trial whenever a slot is about to become free.

    A grid would fix the trials at the start and leave their order to chance: Tune pops pending trials from a set.

    Args:
        next_order: gives the next trial's order; None ends the run once the running trials have ended.
    """

    def __init__(self, next_order: Callable[[], TrialOrder | None]) -> None:
        super().__init__(metric=None, mode=None)
        self._next_order = next_order

    def suggest(self, trial_id: str) -> dict[str, object] | str:  # type: ignore[override]  # FINISHED is a word
        """The config of the next trial, made of its order."""
        order = self._next_order()
        return Searcher.FINISHED if order is None else order.to_config()

    def on_trial_complete(self, trial_id: str, result: dict[str, object] | None = None, error: bool = False) -> None:
        """Nothing: the driver learns of the end from the trial's last report."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Tune's own state is disposable."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a relaunch is a new plan minus ledger."""

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, object], **spec: object
    ) -> bool:
        """Accept that there is neither a metric nor a search space."""
        return True

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: Tune's own state is disposable."""
