"""Where the trials of a sweep run, as its driver sees it. Imports no Ray."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.backlog import Progress
from orchestrator.trial.report import ProcessLocation


@dataclass(frozen=True, kw_only=True)
class Compute:
    """The nodes that trials run on, and the callbacks that are notified about them.

    Args:
        slots: resources of a trial, and how many trials run at a time.
        device: the device that trials use: cpu or cuda.
        drain_flag: file whose appearance makes the trials on all nodes save and leave.
        scratch: private directory on this machine's own disk.
        departing: ids of Ray nodes that are about to go: deaths of processes there count against no trial.
        on_progress: called several times a second; what it raises ends the run.
        on_device_failure: called with the location of a process whose trial failed because of its device.
    """

    slots: TrialSlots
    device: str
    drain_flag: Path
    scratch: Path
    departing: Container[str] = frozenset()
    on_progress: Callable[[Progress], None] = lambda _progress: None
    on_device_failure: Callable[[ProcessLocation], None] = lambda _location: None
