"""Gives trials to Ray Tune one by one, so that what has happened so far decides which comes next."""

from __future__ import annotations

from collections.abc import Callable

from ray.tune.search import Searcher

from orchestrator.trial.order import TrialOrder


class BacklogSearcher(Searcher):
    """Ray Tune asks this searcher for its next trial whenever a slot is about to become free.

    A grid would fix the trials at the start and leave their order to chance: Tune pops pending trials from a set.

    Args:
        next_order: gives the next trial's order; None if there is none now.
        may_come: whether one may come later; if not, the run ends once the running trials have ended.
    """

    def __init__(self, next_order: Callable[[], TrialOrder | None], may_come: Callable[[], bool]) -> None:
        super().__init__(metric=None, mode=None)
        self._next_order = next_order
        self._may_come = may_come

    def suggest(self, trial_id: str) -> dict[str, object] | str | None:  # type: ignore[override]  # FINISHED is a word
        """The config of the next trial, made of its order; None to be asked again."""
        order = self._next_order()
        if order is not None:
            return order.to_config()
        return None if self._may_come() else Searcher.FINISHED

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
