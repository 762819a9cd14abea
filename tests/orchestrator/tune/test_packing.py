"""Several trials on one GPU: each process with a share of its memory, all of them at the same time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

from fdt_core.training.device_dataset import DeviceDataset
from lab.engine import Engine, local_engine
from lab.nothing_session import nothing_session
from lab.sweeps import SWEEP, Place, driver_process, kill, wait_until
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import TrialReport
from orchestrator.tune import trial_events
from orchestrator.tune.trainable import Session

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"
)


class Scripted:
    """A trial that ends with `outcome`, and writes down the share of memory that it may use."""

    def __init__(self, session: Session, order: TrialOrder, outcome: Outcome, *, until: int) -> None:
        self._session, self._order = session, order
        self._outcome, self._until = outcome, until

    def advance(self) -> TrialReport:
        """The only report; after `until` attempts the trial is done."""
        with (Path(self._order.settings.run_directory) / "shares").open("a") as file:
            file.write(f"{self._order.attempt} {self._order.gpu_share}\n")
        report = self._session.advance()
        if self._order.attempt > self._until:
            return report
        ends = self._outcome == Outcome.BUSY
        return dataclasses.replace(
            report, outcome=self._outcome, error="no luck", epochs=(), result=None, ends_process=ends
        )

    def close(self) -> None:
        """Nothing to free."""
        self._session.close()


def small_at_first(order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
    return Scripted(nothing_session(order, datasets, node_id), order, Outcome.OOM, until=1)


def always_busy(order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
    return Scripted(nothing_session(order, datasets, node_id), order, Outcome.BUSY, until=1000)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Two trials share a GPU, which Ray only counts."""
    with local_engine(cpus=2, needs=TrialSlots(cpus=1, gpus=0.5, whole_gpus=1, slots=2)) as running:
        yield running


@pytest.mark.engine
def test_the_retry_of_a_trial_that_ran_out_of_memory_has_a_whole_device_and_all_of_its_memory(engine: Engine) -> None:
    seen: list[str] = []

    def read_shares(run: RunDirectory) -> None:
        seen.extend((run.path / "shares").read_text().splitlines())

    assert engine.run(2, small_at_first, examine=read_shares).done == 2
    assert sorted(seen) == ["1 0.5", "1 0.5", "2 None", "2 None"]


@pytest.mark.engine
def test_a_device_that_stays_in_use_fails_the_trial_in_the_end_and_is_reported(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    failures: list[tuple[str, str]] = []

    def read_failures(run: RunDirectory) -> None:
        trials = pd.read_parquet(run.results / "trials")
        failures.extend(zip(trials.failure_kind, trials.error, strict=True))

    monkeypatch.setattr(trial_events, "BUSY_LIMIT_SECONDS", 20.0)
    ended = engine.run(
        1, always_busy, on_device_failure=lambda location: reported.append(location.hostname), examine=read_failures
    )
    assert ended.done == 0
    assert failures == [("device", "the device was in use by another process for 20 s")] * 3
    assert len(reported) == 3


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


DEMO_RESNET = """\
name: small
models: [resnet50]
width: 0.125
templates: [base]
datasets: [digits]
seeds: 6
recipe: {base: quick, epochs: 6, batch_size: 40, learning_rate: 0.05, flip: false, cutout: 0, evaluate_every: 2}
checkpoint_interval: 0
"""


@pytest.mark.gpu
@pytest.mark.engine
@needs_gpu
def test_resnet50_ends_as_accurate_on_a_gpu_as_on_a_cpu_also_after_a_kill(place: Place) -> None:
    """At the demo's learning rate of 0.1, 9 of 91 trainings on an H100 ended below 90 %.

    Killed, left alone or deterministic, and now with this seed, now with that one; their weights are no better on a
    CPU. At 0.05, 30 of 30 ended above 96 %, so that a lower accuracy here would be a fault of the resumption.
    """
    place.sweep_file(DEMO_RESNET + "resources: {trials_per_gpu: 3}\n")
    options = ("--set", "cluster.gpus_per_node=1", "--set", "cluster.device=cuda")
    launched = place.start(*options)
    wait_until(lambda: len([trial for trial in place.status().get("running", []) if trial["epoch"] >= 2]) == 3)
    kill(driver_process(launched))
    launched.communicate()
    place.launch(*options)
    trials = pd.read_parquet(place.run / "results" / "trials").set_index(["seed", "interruptions"])
    assert trials.final_test_accuracy.min() > 90, trials.final_test_accuracy.to_dict()
