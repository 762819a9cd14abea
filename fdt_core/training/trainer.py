"""Train one trial: a generator of epoch records that can be stopped, resumed and repeated bit for bit.

The state between epochs is only the network, the average of its weights, the optimiser's averages and the history:
random streams are keyed by (seed, epoch), the learning rate is a function of the step, and bfloat16 needs no gradient
scaler.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from fdt_core.compute.device import Stopwatch, device_name, peak_memory_mb, reset_peak_memory
from fdt_core.errors import EnvironmentProblem
from fdt_core.training.batch_metrics import BatchMetrics, Score, read_scores
from fdt_core.training.checkpoint import Start, TrialCheckpoints
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.learner import Evaluation, Learner
from fdt_core.training.state_keeper import StateKeeper
from fdt_core.trial.history import EpochRecord, TrainingResult, TrainingStatus, best_epoch
from fdt_core.trial.spec import TrialSpec


class Drained(Exception):
    """The training stopped on request; the state of its last complete epoch is saved."""


def never(seconds_to_epoch_end: float) -> bool:
    """A `should_stop` that never stops the training."""
    return False


class Training:
    """One trial on one device; continues from its checkpoint if there is one.

    Args:
        spec: the trial.
        data: its data set, on the device; other trainings may share it.
        device: 'cpu', 'cuda', 'cuda:1', 'mps', ...; must be the device of `data`.
        checkpoints: where to keep its state; None: nowhere.
        checkpoint_interval: minimum seconds between checkpoints; 0: after every epoch in which none is being written.
        checkpoint_bytes_per_second: how much of them it may write; if they are large, the interval is longer.
        should_stop: called before every batch with the seconds until the end of the epoch (infinite while its pace is
            unknown). If it returns True, the current epoch is abandoned and `Drained` is raised.
        until: the last epoch to train now, if not all; the state is saved then, for a later training to go on.
        clock: seconds since some moment; paces checkpoints and `should_stop`, but does not time epochs.

    Raises:
        EnvironmentProblem: if the prepared data are not those that the trial was planned for.
    """

    def __init__(
        self,
        spec: TrialSpec,
        data: DeviceDataset,
        *,
        device: str,
        checkpoints: TrialCheckpoints | None = None,
        checkpoint_interval: float = 120.0,
        checkpoint_bytes_per_second: float = math.inf,
        should_stop: Callable[[float], bool] = never,
        until: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _require_planned_data(spec, data, torch.device(device))
        reset_peak_memory(data.device)
        self._spec, self._data, self._checkpoints = spec, data, checkpoints
        self._pace, self._until = _Pace(should_stop, clock), until
        self._learner = Learner(spec, data)
        self._status: TrainingStatus | None = None
        self._history: tuple[EpochRecord, ...] = ()
        self._earlier_peak_mb = 0.0
        self._keeper: StateKeeper | None = None
        if checkpoints is not None:
            self._keeper = StateKeeper(
                checkpoints,
                data.device,
                interval=checkpoint_interval,
                bytes_per_second=checkpoint_bytes_per_second,
                about_weights=self._about_weights(),
                clock=clock,
            )
            self._restore(self._keeper)
        self._starts = self._record_start()

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """All epochs so far, including those restored from a checkpoint."""
        return self._history

    @property
    def network(self) -> nn.Module:
        """The network that is evaluated and kept, in its current state, on its device."""
        return self._learner.evaluated_network

    def epochs(self) -> Iterator[EpochRecord]:
        """Train, and yield the record of each new epoch when it is complete.

        Raises:
            Drained: if `should_stop` returned True. This object is then finished; a new one continues after the last
                complete epoch.
        """
        while self._ended_as() is None:
            try:
                record = self._train_epoch(len(self._history) + 1)
            except Drained:
                self.save()
                raise
            self._finish_epoch(record)
            yield record

    def save(self) -> None:
        """Have the state after the last epoch on the disk when this returns. Not to be called during an epoch."""
        if self._keeper is not None:
            self._keeper.save()

    def close(self) -> None:
        """Wait for a checkpoint that is being written; the training is over, however it ended."""
        if self._keeper is not None:
            self._keeper.close()

    def result(self) -> TrainingResult:
        """The result of the training.

        Raises:
            RuntimeError: if the training has not ended.
        """
        status = self._ended_as()
        if status is None:
            raise RuntimeError("the training has not ended")
        return TrainingResult(
            status=status,
            history=self._history,
            peak_memory_mb=self._peak_memory_mb(),
            train_seconds=sum(record.seconds for record in self._history),
            device_name=self._starts[-1].device_name,
            devices=tuple(dict.fromkeys(start.device_name for start in self._starts)),
            interruptions=len(self._starts) - 1,
            started_at=datetime.fromisoformat(self._starts[0].time),
        )

    def _ended_as(self) -> TrainingStatus | None:
        """How the training has ended; None if it goes on."""
        reached = self._until is not None and len(self._history) >= self._until
        return "stopped" if self._status is None and reached else self._status

    def _train_epoch(self, epoch: int) -> EpochRecord:
        self._pace.start_epoch()
        watch = Stopwatch(self._data.device)
        passes: dict[str, BatchMetrics] = {"train": self._learner.train(epoch, self._pace.check)}
        watch.stop()
        for which in self._evaluations(epoch):
            passes[which] = self._learner.evaluate(which, self._pace.check)
        scores = dict(zip(passes, read_scores(list(passes.values())), strict=True))
        self._pace.end_epoch()
        return self._epoch_record(epoch, scores, watch.seconds())

    def _evaluations(self, epoch: int) -> tuple[Evaluation, ...]:
        """What to evaluate after `epoch`: if images are held out, those, and the test images only at the end."""
        recipe = self._spec.recipe
        last = epoch == recipe.epochs
        if not last and epoch % recipe.evaluate_every and epoch not in recipe.evaluate_at:
            return ()
        if not recipe.validation:
            return ("test",)
        return ("validation", "test") if last and recipe.evaluate_test else ("validation",)

    def _epoch_record(self, epoch: int, scores: dict[str, Score], seconds: float) -> EpochRecord:
        test, validation = scores.get("test"), scores.get("validation")
        return EpochRecord(
            epoch=epoch,
            train_loss=scores["train"].loss,
            train_accuracy=scores["train"].accuracy,
            test_loss=test.loss if test else None,
            test_accuracy=test.accuracy if test else None,
            validation_loss=validation.loss if validation else None,
            validation_accuracy=validation.accuracy if validation else None,
            learning_rate=self._learner.learning_rate(epoch),
            seconds=seconds,
            images_per_second=self._learner.training_images / seconds,
        )

    def _finish_epoch(self, record: EpochRecord) -> None:
        self._history = (*self._history, record)
        if not math.isfinite(record.train_loss):
            self._status = "diverged"
        elif record.epoch == self._spec.recipe.epochs:
            self._status = "done"
        if self._keeper is not None:
            self._keep_state(self._keeper)

    def _keep_state(self, keeper: StateKeeper) -> None:
        """Keep the state after this epoch: on the disk if that is due, otherwise in memory in case of a drain."""
        best = best_epoch(self._history, "validation_accuracy" if self._spec.recipe.validation else "test_accuracy")
        state = {
            "identity": self._identity(),
            "epoch": len(self._history),
            "status": self._status,
            "history": [asdict(record) for record in self._history],
            "peak_memory_mb": self._peak_memory_mb(),
            **self._learner.state(),
        }
        keeper.keep(
            state,
            best=best is not None and best.epoch == len(self._history),
            ended=self._status is not None,
            pauses=self._ended_as() is not None,
        )

    def _about_weights(self) -> dict[str, Any]:
        """Everything needed to use the weights of a file: the trial's spec, the normalisation and the class names."""
        prepared = self._data.prepared
        return {
            "spec": self._spec.to_json(),
            "dataset_digest": prepared.digest,
            "class_names": list(prepared.class_names),
            "mean": list(prepared.mean),
            "std": list(prepared.std),
        }

    def _restore(self, keeper: StateKeeper) -> None:
        state = keeper.load(self._identity())
        if state is None:
            return
        self._learner.restore(state)
        self._status = state["status"]
        self._history = tuple(EpochRecord(**record) for record in state["history"])
        self._earlier_peak_mb = state["peak_memory_mb"]

    def _record_start(self) -> tuple[Start, ...]:
        """All starts of this trial, including this one if anything is left to train."""
        start = Start(
            time=datetime.now(UTC).isoformat(),
            host=socket.gethostname(),
            device_name=device_name(self._data.device),
            slurm_job=os.environ.get("SLURM_JOB_ID"),
            epoch=len(self._history),
        )
        if self._checkpoints is None:
            return (start,)
        if self._status is None:
            self._checkpoints.record_start(start)
        return self._checkpoints.starts() or (start,)

    def _identity(self) -> str:
        """What identifies a matching checkpoint: the trial and the contents of its data set."""
        return f"{self._spec.to_json()} {self._data.prepared.digest}"

    def _peak_memory_mb(self) -> float:
        return max(self._earlier_peak_mb, peak_memory_mb(self._data.device))


class _Pace:
    """Estimates how long an epoch takes, and abandons it if `should_stop` returns True."""

    def __init__(self, should_stop: Callable[[float], bool], clock: Callable[[], float]) -> None:
        self._should_stop, self._clock = should_stop, clock
        self._started = clock()
        self._usual_seconds = math.inf

    def start_epoch(self) -> None:
        self._started = self._clock()

    def check(self, part_done: float) -> None:
        """Raise Drained if the training must stop; `part_done` is the fraction (0 to 1) of training steps done."""
        elapsed = self._clock() - self._started
        usual = self._usual_seconds
        if math.isinf(usual) and part_done:
            usual = elapsed / part_done
        if self._should_stop(max(0.0, usual - elapsed)):
            raise Drained

    def end_epoch(self) -> None:
        self._usual_seconds = self._clock() - self._started


def _require_planned_data(spec: TrialSpec, data: DeviceDataset, device: torch.device) -> None:
    if data.device.type != device.type:
        raise ValueError(f"the data are on {data.device}, but the training runs on {device}")
    info = data.prepared.info
    if (info.name, info.image) != (spec.dataset, spec.image):
        raise EnvironmentProblem(
            f"the prepared data are {info.name} with {info.image}, but the trial was planned for {spec.dataset} with "
            f"{spec.image}: prepare the data set again, or plan again"
        )
