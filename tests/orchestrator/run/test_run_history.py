"""Whatever launches, failures, kills, retries and gc a run has seen: nothing finished is lost, and all agree on it."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdt_core.results.reader import ROW_KEYS
from fdt_core.trial.attempts import ATTEMPTS
from lab.sweeps import SWEEP
from orchestrator.launch.prepare import new_launch
from orchestrator.launch.retry import retry_launch
from orchestrator.maintenance.garbage import Reason, find_garbage, remove
from orchestrator.run.launch_record import LaunchSettings, frozen_launch
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.plan_text import plan_json
from orchestrator.status.run_status import run_status
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from tests.orchestrator.histories import leave_weights, leave_working, opened

PLANS: tuple[list[str], ...] = ([], ["seeds=1"], ["epochs=3"], ["templates=[base]"], ["templates=[c]", "seeds=3"])
OUTCOMES = ("done", "diverged", "killed", *ATTEMPTS)


@dataclass
class Oracle:
    """What must hold, kept by hand: trials with a result, trainings of each, and failures since the last retry."""

    finished: set[str] = field(default_factory=set)
    trainings: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def given_up(self, trial_id: str) -> bool:
        counts = Counter(self.failures.get(trial_id, []))
        return trial_id not in self.finished and any(counts[kind] >= limit for kind, limit in ATTEMPTS.items())


class History:
    """A run, and the things that can happen to it."""

    def __init__(self, directory: Path, data: Path) -> None:
        self.oracle = Oracle()
        self._file = directory / "small.yaml"
        self._file.write_text(SWEEP)
        self._data = data
        self.run = RunDirectory(directory / "runs" / "small")

    def launch(self, plan: int, limit: int | None) -> None:
        launch = new_launch(
            self._file,
            runs_dir=self.run.path.parent,
            overrides=PLANS[plan],
            settings=LaunchSettings(data_directory=str(self._data), limit=limit),
        )
        launch.run.create()
        launch.freeze()

    def work(self, outcomes: list[str]) -> None:
        """A driver that gets so far, and is then killed."""
        with opened(self.run) as work:
            for outcome in outcomes:
                backlog = work.backlog
                cell = backlog.next(whole_device=False) or backlog.next(whole_device=True)
                if cell is None:
                    return
                leave_working(self.run, cell)
                if outcome == "killed":
                    return
                self.oracle.trainings[cell.trial_id] += 1
                if outcome in ("done", "diverged"):
                    self.oracle.finished.add(cell.trial_id)
                    leave_weights(self.run, cell)
                else:
                    self.oracle.failures.setdefault(cell.trial_id, []).append(outcome)
                attempt = backlog.attempt(cell.trial_id)
                report = TrialReport(
                    trial_id=cell.trial_id,
                    attempt=attempt,
                    place=ProcessLocation.here(),
                    outcome=cast(Outcome, outcome),
                )
                work.recorder.record(backlog.cells_of(cell.trial_id), report)
                work.recorder.tick(now=True)
                backlog.ended(cell.trial_id)

    def retry(self, kind: str, limit: int | None, begins: bool) -> None:
        launch, trials = retry_launch(self.run, kind, limit=limit)
        if begins:
            launch.freeze()
            for cell in trials:
                self.oracle.failures[cell.trial_id] = []

    def gc(self, former: bool) -> None:
        remove(item for item in find_garbage(self.run) if former or item.reason is not Reason.FORMER)

    def check(self) -> None:
        cells = frozen_launch(self.run).plan.cells
        given_up = {cell.trial_id for cell in cells if self.oracle.given_up(cell.trial_id)}
        with opened(self.run) as work:
            assert work.backlog.progress().failed == len(given_up)
        status = run_status(self.run).progress
        plan: Any = plan_json(frozen_launch(self.run))["progress"]
        assert status.failed == plan["failed"] == len(given_up)
        done = sum(cell.trial_id in self.oracle.finished for cell in cells)
        assert status.done + status.diverged == plan["done"] == done
        by_gc = {item.path.name for item in find_garbage(self.run) if item.reason is Reason.GIVEN_UP}
        assert not {trial_id for trial_id in by_gc if not self.oracle.given_up(trial_id)}
        for trial_id in self.oracle.finished:
            assert (self.run.checkpoints / trial_id / "final.pt").exists()
        rows = pd.read_parquet(self.run.results / "trials")
        assert set(rows.trial_id[rows.status != "failed"]) == self.oracle.finished
        assert not rows.duplicated(list(ROW_KEYS["trials"])).any()
        assert dict(Counter(rows.trial_id)) == dict(self.oracle.trainings)


LIMITS = st.none() | st.integers(1, 4)
EVENTS = st.one_of(
    st.tuples(st.just("launch"), st.integers(0, len(PLANS) - 1), LIMITS),
    st.tuples(st.just("work"), st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=6)),
    st.tuples(st.just("retry"), st.sampled_from(["all", "error", "crash"]), LIMITS, st.booleans()),
    st.tuples(st.just("gc"), st.booleans()),
)


@pytest.mark.process
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=2, max_size=8))
def test_nothing_finished_is_lost_and_all_agree(data_directory: Path, events: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        history = History(Path(directory), data_directory)
        history.launch(0, None)
        for name, *arguments in events:
            getattr(history, name)(*arguments)
            history.check()
