"""The Ray Tune trainable: a warm actor that trains trial after trial, one epoch a step.

Found by experiment: an exception in `reset_config` ends the trial as an error with the former trial's config, so it
only stores the config and all work is done in `step`; nothing but the death of the process reaches Tune as a failure.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ray import tune

from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import TrialReport

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset


class Session(Protocol):
    """One trial in this process."""

    def advance(self) -> TrialReport:
        """Do one step and report; must not raise."""

    def close(self) -> None:
        """Free what the session holds."""


SessionFactory = Callable[[TrialOrder, "dict[str, DeviceDataset]", str | None], Session]
"""Makes a session from an order, the actor's data sets by name (kept across trials) and Ray's id of the node."""


def training_session(order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
    """The session that trains a model: the factory of every real sweep."""
    from orchestrator.trial.session import TrialSession

    return TrialSession(order, datasets, node_id)


def ray_node_id() -> str:
    """Ray's id of this process's node."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def sweep_trainable(
    make_session: SessionFactory,
    *,
    node_id: Callable[[], str] = ray_node_id,
    exit_process: Callable[[int], object] = os._exit,
) -> type[tune.Trainable]:
    """The Trainable class whose trials are sessions of `make_session`."""

    class SweepTrial(tune.Trainable):
        """Holds one session at a time; `done` ends the trial, a drained session ends the process."""

        def setup(self, config: dict[str, object]) -> None:
            self._datasets: dict[str, DeviceDataset] = {}
            self._session: Session | None = None
            self._leaving = False

        def reset_config(self, new_config: dict[str, object]) -> bool:
            self._end_session()
            return True

        def step(self) -> dict[str, object]:
            if self._leaving:
                # A draining node's actor must be gone, or Tune would give it the next trial. After most device errors
                # the process can never use the device again (they are sticky): the next trial needs a fresh one.
                exit_process(0)
            if self._session is None:
                self._session = make_session(TrialOrder.from_config(self.config), self._datasets, node_id())
            report = self._session.advance()
            self._leaving = report.outcome == Outcome.DRAINED or report.ends_process
            if report.outcome is not None:
                self._end_session()  # now: the next trial may not start for a long time
            return {"report": report, "done": report.outcome not in (None, Outcome.DRAINED, Outcome.BUSY)}

        def cleanup(self) -> None:
            self._end_session()

        def _end_session(self) -> None:
            if self._session is not None:
                self._session.close()
            self._session = None

    return SweepTrial
