"""How Ray Tune learns how many processes to start: a search algorithm whose trials are processes."""

from __future__ import annotations

from collections.abc import Callable

from ray.tune.search import Searcher


class ProcessSearcher(Searcher):
    """Ray Tune asks this searcher for a further process at each of its steps, unless enough wait for a slot.

    Args:
        ask_for: called with Tune's name of the process that would be started next; returns whether to start it.
        are_done: whether none will be wanted any more.
    """

    def __init__(self, ask_for: Callable[[str], bool], are_done: Callable[[], bool]) -> None:
        super().__init__(metric=None, mode=None)
        self._ask_for = ask_for
        self._are_done = are_done

    def suggest(self, trial_id: str) -> dict[str, object] | str | None:  # type: ignore[override]  # FINISHED is a word
        """The config of one more process, which is empty; None to be asked again."""
        if self._ask_for(trial_id):
            return {}
        return Searcher.FINISHED if self._are_done() else None

    def on_trial_complete(self, trial_id: str, result: dict[str, object] | None = None, error: bool = False) -> None:
        """Nothing: the driver itself decides that a process ends."""

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
