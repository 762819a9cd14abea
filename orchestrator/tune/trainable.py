"""The Ray Tune trainable: a warm process that trains trial after trial.

To Tune, each process is one trial of its own that never ends by itself. What the process trains is none of Tune's
business: the driver gives it orders, by a call of the actor, when it has reported.

Found by experiment: an exception in `reset_config` ends Tune's trial as an error, so all work is done in `step`.
Nothing but the death of the process reaches Tune as a failure.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ray import tune

from orchestrator.trial.order import TrialOrder, TrialSettings
from orchestrator.trial.outcome import NOT_FAILED, Outcome
from orchestrator.trial.report import ProcessLocation, ProcessReport, TrialReport

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset


TRIALS_PER_PROCESS = 200
"""After so many trials a process is replaced, and with it what libraries and networks have left there bit by bit."""


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


def own_actor() -> object:
    """The handle by which the driver calls this process."""
    import ray

    return ray.get_runtime_context().current_actor


def exit_actor() -> None:
    """End this process in an orderly way, of which Ray does not warn."""
    import ray

    ray.actor.exit_actor()  # type: ignore[no-untyped-call]  # Ray ships few types


def sweep_trainable(
    make_session: SessionFactory,
    *,
    node_id: Callable[[], str] = ray_node_id,
    actor: Callable[[], object] = own_actor,
    exit_process: Callable[[int], object] = os._exit,
    retire: Callable[[], object] = exit_actor,
    trials_per_process: int = TRIALS_PER_PROCESS,
    clock: Callable[[], float] = time.monotonic,
) -> type[tune.Trainable]:
    """The Trainable class whose trials are sessions of `make_session`."""

    class SweepTrial(tune.Trainable):
        """Holds one session at a time. A process that drained, has lost its device or has had its trials leaves."""

        def setup(self, config: dict[str, object]) -> None:
            self._datasets: dict[str, DeviceDataset] = {}
            self._session: Session | None = None
            self._settings: TrialSettings | None = None
            self._session_began = 0.0
            self._orders: deque[TrialOrder] = deque()
            self._node_id = node_id()
            self._introduced = False
            self._ended = 0
            self._leave: Callable[[], object] | None = None

        def reset_config(self, new_config: dict[str, object]) -> bool:
            self._introduced = False
            return True

        def give(self, orders: Sequence[TrialOrder]) -> None:
            """Take further orders, to be worked on in the next step."""
            self._orders.extend(orders)

        def step(self) -> dict[str, object]:
            """Train, and return what has not been reported when a report is due.

            Orders that the step has not begun are dropped: the driver, which is told what was done, gives them anew.
            So it decides at each report which trials come next, and none waits here while another process is idle.
            """
            if self._leave is not None:
                self._leave()
            if not self._introduced:
                self._introduced = True
                return {"report": self._report(actor=actor())}
            began, reports, durations = clock(), list[TrialReport](), dict[str, float]()
            while self._session is not None or self._orders:
                if self._session is None:
                    order = self._orders.popleft()
                    self._session = make_session(order, self._datasets, self._node_id)
                    self._session_began, self._settings = clock(), order.settings
                report = self._session.advance()
                if reports and reports[-1].outcome is None:
                    report = report.with_earlier(reports.pop())
                reports.append(report)
                if report.outcome is not None:
                    durations[report.trial_id] = clock() - self._session_began
                    self._end_session()  # now: the next trial may not start for a long time
                    self._ended += 1
                    self._leave = self._exit_after(report)
                    if self._leave is not None or report.outcome not in NOT_FAILED:
                        break
                if self._is_due(began):
                    break
            self._orders.clear()
            return {"report": self._report(tuple(reports), durations)}

        def cleanup(self) -> None:
            self._end_session()

        def _exit_after(self, report: TrialReport) -> Callable[[], object] | None:
            """How the next step is to end this process after a trial that has ended; None if it goes on."""
            # A draining node's process must be gone, or it would be given the next trial. After most device errors the
            # process can never use the device again (they are sticky), nor perhaps end in an orderly way.
            if report.outcome == Outcome.DRAINED or report.ends_process:
                return lambda: exit_process(0)
            return retire if self._ended >= trials_per_process else None

        def _is_due(self, since: float) -> bool:
            """Whether to report, after a step that began at `since`: soon while a trial is young, later more rarely."""
            assert self._settings is not None
            now, settings = clock(), self._settings
            due = min(settings.report_interval, max(settings.first_report, (now - self._session_began) / 2))
            return now - since >= due

        def _report(
            self,
            trials: tuple[TrialReport, ...] = (),
            durations: Mapping[str, float] = MappingProxyType({}),
            *,
            actor: object = None,
        ) -> ProcessReport:
            place = ProcessLocation.here(self._node_id)
            return ProcessReport(
                place=place, trials=trials, durations=dict(durations), leaves=self._leave is not None, actor=actor
            )

        def _end_session(self) -> None:
            if self._session is not None:
                self._session.close()
            self._session = None

    return SweepTrial
