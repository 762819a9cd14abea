"""Several trials on one GPU: each process with a share of its memory, all of them at the same time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from lab.engine import Engine, local_engine
from lab.nothing_session import nothing_session
from lab.sweeps import SWEEP, Place, wait_until
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import TrialReport
from orchestrator.tune import driver
from orchestrator.tune.trainable import Session

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"
)


class Scripted:
    """A trial that ends as `outcome` says, and writes down the memory that it may use."""

    def __init__(self, session: Session, config: Mapping[str, Any], outcome: Outcome, *, until: int) -> None:
        self._session, self._config = session, config
        self._outcome, self._until = outcome, until

    def advance(self) -> TrialReport:
        """The one and last report; after `until` attempts the trial is done."""
        with (Path(self._config["run_directory"]) / "shares").open("a") as file:
            file.write(f"{self._config['attempt']} {self._config['gpu_share']}\n")
        report = self._session.advance()
        if self._config["verdict"] is not None:
            outcome, error = self._config["verdict"]
            return dataclasses.replace(report, outcome=outcome, error=error, epochs=(), result=None)
        if self._config["attempt"] > self._until:
            return report
        ends = self._outcome == Outcome.BUSY
        return dataclasses.replace(
            report, outcome=self._outcome, error="no luck", epochs=(), result=None, ends_process=ends
        )

    def close(self) -> None:
        """Nothing to free."""
        self._session.close()


def small_at_first(config: Mapping[str, Any], cache: dict[str, Any], node_id: str | None) -> Session:
    return Scripted(nothing_session(config, cache, node_id), config, Outcome.OOM, until=1)


def always_busy(config: Mapping[str, Any], cache: dict[str, Any], node_id: str | None) -> Session:
    return Scripted(nothing_session(config, cache, node_id), config, Outcome.BUSY, until=1000)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Two trials share a GPU, which Ray only counts."""
    with local_engine(cpus=2, needs=TrialSlots(cpus=1, gpus=0.5, whole_gpus=1, slots=2)) as running:
        yield running


@pytest.mark.engine
def test_the_retry_of_a_trial_that_ran_out_of_memory_has_a_whole_device_and_all_of_its_memory(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = driver.Driver.run

    def run(self: driver.Driver) -> None:
        real(self)
        seen.extend((self._run.path / "shares").read_text().splitlines())

    monkeypatch.setattr(driver.Driver, "run", run)
    assert engine.run(2, small_at_first).done == 2
    assert sorted(seen) == ["1 0.5", "1 0.5", "2 None", "2 None"]


@pytest.mark.engine
def test_a_device_that_stays_in_use_fails_the_trial_in_the_end_and_is_complained_of(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[str] = []
    failures: list[str] = []
    kinds: list[str] = []
    real, real_run = driver.Driver.__init__, driver.Driver.run

    def with_ears(self: driver.Driver, *given: Any, **options: Any) -> None:
        real(self, *given, **options)
        self._tell_device_failure = lambda place: complaints.append(place.hostname)
        ended = self._watch.ended
        self._watch.ended = lambda cell, report, *rest: failures.append(str(report.error)) or ended(cell, report, *rest)

    def run(self: driver.Driver) -> None:
        real_run(self)
        kinds.extend(pd.read_parquet(self._run.results / "trials").failure_kind)

    monkeypatch.setattr(driver.Driver, "__init__", with_ears)
    monkeypatch.setattr(driver.Driver, "run", run)
    monkeypatch.setattr(driver, "BUSY_REPORTS", 2)
    assert engine.run(1, always_busy).done == 0
    assert failures == ["the device was in use by another process for 20 s"] * 3
    assert len(complaints) == 3
    assert kinds == ["device"] * 3, "that a device is in use ends no attempt"


@pytest.mark.gpu
@pytest.mark.engine
@needs_gpu
def test_three_trials_share_a_gpu_and_give_the_rows_of_trials_alone(place: Place) -> None:
    text = SWEEP.replace("flip: false", "flip: false, deterministic: true").replace("epochs: 8", "epochs: 30")
    place.sweep_file(text + "resources: {trials_per_gpu: 3}\n")
    launched = place.start("--set", "cluster.gpus_per_node=1", "--set", "cluster.device=cuda")
    wait_until(lambda: len([trial for trial in place.status().get("running", []) if trial["epoch"] >= 1]) == 3)
    output, _ = launched.communicate(timeout=300)
    assert launched.returncode == 0, output
    packed = pd.read_parquet(place.run / "results" / "trials").set_index("trial_id")
    place.sweep_file(text.replace("name: small", "name: alone"))
    place.launch("--set", "cluster.gpus_per_node=1", "--set", "cluster.device=cuda")
    alone = pd.read_parquet(place.run.parent / "alone" / "results" / "trials").set_index("trial_id")
    assert packed.final_train_loss.to_dict() == alone.final_train_loss.to_dict()
