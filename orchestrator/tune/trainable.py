"""The Ray Tune trainable: a warm actor that trains trial after trial, one epoch a step.

Found by trying: an exception in `reset_config` ends the trial as an error with the former trial's config, so it only
stores the config and all work is done in `step`; nothing but the death of the process reaches Tune as a failure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ray import tune

from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import TrialReport

SessionFactory = Callable[[Mapping[str, Any], dict[str, Any], str | None], "Session"]
"""Makes a session from a config, the actor's cache (kept across trials) and Ray's id of the node."""


class Session(Protocol):
    """One trial in this process."""

    def advance(self) -> TrialReport:
        """Do one step and report; must not raise."""

    def close(self) -> None:
        """Free what the session holds."""


def training_session(config: Mapping[str, Any], cache: dict[str, Any], node_id: str | None) -> Session:
    """The session that trains a model: the factory of every real sweep."""
    from orchestrator.trial.order import TrialOrder
    from orchestrator.trial.session import TrialSession

    return TrialSession(TrialOrder(**config), cache, node_id)


def sweep_trainable(make_session: SessionFactory) -> type[tune.Trainable]:
    """The Trainable class whose trials are sessions of `make_session`."""

    class SweepTrial(tune.Trainable):
        """Holds one session at a time; `done` ends the trial, a drained session ends the process."""

        def setup(self, config: dict[str, Any]) -> None:
            self._cache: dict[str, Any] = {}
            self._session: Session | None = None
            self._leaving = False

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._end_session()
            return True

        def step(self) -> dict[str, Any]:
            if self._leaving:
                # A draining node's actor must be gone, or Tune would give it the next trial. After most errors of a
                # device the process can never use it again (they are sticky): the next trial needs a fresh one.
                os._exit(0)
            if self._session is None:
                self._session = make_session(self.config, self._cache, _node_id())
            report = self._session.advance()
            self._leaving = report.outcome == Outcome.DRAINED or report.ends_process
            if report.outcome is not None:
                self._end_session()  # now, not at the next trial's start, which may be long in coming
            return {"report": report, "done": report.outcome not in (None, Outcome.DRAINED, Outcome.BUSY)}

        def cleanup(self) -> None:
            self._end_session()

        def _end_session(self) -> None:
            if self._session is not None:
                self._session.close()
            self._session = None

    return SweepTrial


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
