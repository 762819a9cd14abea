"""One trial being trained in this process: from its configuration to reports, epoch by epoch.

Used by the Ray trainable and by `fdt-sweep run`, so that both train in the same way.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import os
import time
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.devices.device_check import context_bytes
from cluster.machine.drain import drain_deadline
from cluster.machine.drain_timeline import must_save_now
from fdt_core.errors import EnvironmentProblem
from fdt_core.trial.spec import TrialSpec
from orchestrator.trial.drain_saver import DrainSaver
from orchestrator.trial.error_kinds import Failure, chain, classify
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import BUSY_SECONDS, Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.trial.time_limit import TimeLimit

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset
    from fdt_core.training.trainer import Training
    from fdt_core.trial.history import EpochRecord, TrainingResult


class TrialSession:
    """Trains the trial of `order`, step by step.

    Args:
        order: the trial.
        datasets: data sets already on the device, by name; kept by the caller across trials and added to here.
        node_id: Ray's id of this node, for the reports.
    """

    def __init__(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None = None) -> None:
        self._order = order
        self._settings = order.settings
        self._datasets = datasets
        self._spec = TrialSpec.from_json(order.spec)
        self._trial_id = order.trial_id
        device_id = os.environ.get("CUDA_VISIBLE_DEVICES") if self._settings.device.startswith("cuda") else None
        self._place = dataclasses.replace(ProcessLocation.here(node_id), device_id=device_id)
        self._started = False
        self._training: Training | None = None
        self._epochs: Iterator[EpochRecord] = iter(())
        self._patience = _Patience()
        self._watchdog = TimeLimit(self._trial_directory, self._settings.time_limit)
        self._log = _open_log(Path(self._settings.run_directory) / "logs" / f"{self._trial_id}.log")
        self._guard = DrainSaver(self._log)

    def advance(self) -> TrialReport:
        """Train one epoch and report; never raises Exception. The first call also loads data and checkpoint."""
        with self._guard.step:
            return self._step()

    def _step(self) -> TrialReport:
        from fdt_core.training.trainer import Drained

        try:
            if drain_deadline() is not None and self._training is None:
                return self._report(outcome=Outcome.DRAINED)
            return self._next_epoch()
        except Drained:
            self._log.info("drained: saved and leaving")
            return self._report(outcome=Outcome.DRAINED)
        except Exception as error:  # what user code, data or the device raise is this trial's outcome
            # As text: a user's log handler that keeps its records would keep the traceback, and so the trial.
            self._log.error("failed\n%s", "".join(traceback.format_exception(error)).rstrip())
            failure, text = classify(error), _short_traceback(error)
            _forget_frames(error)
            return self._failed(failure, text)

    def _failed(self, failure: Failure, text: str) -> TrialReport:
        outcome = failure.outcome
        if outcome == Outcome.BUSY:
            outcome = Outcome.DRAINED if _drains_within(BUSY_SECONDS) else Outcome.BUSY
        device = self._place.device_uuid or self._place.device_id
        if outcome == Outcome.DEVICE and device:
            text += f"\nDevice: {device} on {self._place.hostname}"
        return self._report(outcome=outcome, error=text, ends_process=failure.ends_process)

    def close(self) -> None:
        """Close the log, and free everything of the trial: objects and device memory."""
        self._guard.stop()
        self._watchdog.stop()
        for handler in list(self._log.handlers):
            handler.close()
            self._log.removeHandler(handler)
        network = None
        if self._training is not None:
            self._training.close()
            network = weakref.ref(self._training.network)
        self._training, self._epochs = None, iter(())
        if self._started:
            from fdt_core.compute.device import release_memory

            if network is None or network() is not None:
                # None of our code holds it, but a user's network may hold itself, for instance by a hook that knows its
                # module. torch's compiler, imported in the first trial, leaves a cycle that holds its callers' frames.
                # If a trial failed as it started, nothing is known.
                gc.collect()
            release_memory(self._settings.device)

    @property
    def _trial_directory(self) -> Path:
        return Path(self._settings.run_directory) / "checkpoints" / self._trial_id

    def _next_epoch(self) -> TrialReport:
        if self._training is None:
            self._training = self._start()
            self._guard.start(self._training.save)
            if self._training.history:
                return self._report(epochs=self._training.history)
        self._patience.end_epoch()
        record = next(self._epochs, None)
        if record is not None:
            self._log.info(epoch_line(record, self._spec.recipe.epochs))
            return self._report(epochs=(record,))
        result = self._training.result()
        self._log.info("ended: %s", result.status)
        return self._report(epochs=result.history, outcome=Outcome(result.status), result=result)

    def _start(self) -> Training:
        from fdt_core.compute.process import prepare_process

        self._watchdog.start()
        order, settings, spec = self._order, self._settings, self._spec
        prepare_process(threads=spec.threads)  # before torch is imported
        self._started = True

        import torch

        from fdt_core.compute.device import device_name, device_uuid, limit_memory
        from fdt_core.training.checkpoint import TrialCheckpoints
        from fdt_core.training.trainer import Drained, Training

        name = device_name(torch.device(settings.device))
        self._place = dataclasses.replace(self._place, device_uuid=device_uuid(settings.device), device_name=name)
        allowed = limit_memory(settings.device, order.gpu_share, context=context_bytes())
        checkpoints = TrialCheckpoints(directory=self._trial_directory, keep=settings.keep)
        data = self._device_dataset(allowed)
        if drain_deadline() is not None:  # imports and data took a while: a draining node starts no trial
            raise Drained
        training = Training(
            spec,
            data,
            device=settings.device,
            checkpoints=checkpoints,
            checkpoint_interval=settings.checkpoint_interval,
            checkpoint_bytes_per_second=settings.checkpoint_bytes_per_second,
            should_stop=self._patience.must_leave,
            until=order.until,
        )
        self._epochs = training.epochs()
        self._log.info("attempt %d on %s, after %d epochs", order.attempt, self._place, len(training.history))
        return training

    def _device_dataset(self, allowed: int | None) -> DeviceDataset:
        """The trial's data; they stay on the device if they fit into the `allowed` bytes beside those already there."""
        from fdt_core.datasets.prepared import load_prepared, prepared_digest
        from fdt_core.training.device_dataset import DeviceDataset, resident_limit

        name, directory = self._spec.dataset, Path(self._settings.data_directory)
        if (digest := prepared_digest(name, directory)) != self._order.dataset_digest:
            raise EnvironmentProblem(
                f"data set {name} has changed since the launch: it had digest {self._order.dataset_digest}, "
                f"it has {digest} now"
            )
        if name not in self._datasets:
            prepared, device = load_prepared(name, directory), self._settings.device
            self._datasets[name] = DeviceDataset(prepared, device, memory_limit=resident_limit(device, allowed))
        return self._datasets[name]

    def _report(
        self,
        *,
        epochs: tuple[EpochRecord, ...] = (),
        outcome: Outcome | None = None,
        error: str | None = None,
        ends_process: bool = False,
        result: TrainingResult | None = None,
    ) -> TrialReport:
        return TrialReport(
            trial_id=self._trial_id,
            attempt=self._order.attempt,
            place=self._place,
            epochs=epochs,
            outcome=outcome,
            error=error,
            ends_process=ends_process,
            result=result,
        )


class _Patience:
    """Decides when a training must leave. It has no reference to the session, which would then keep itself alive."""

    def __init__(self) -> None:
        self._epoch_started = False

    def end_epoch(self) -> None:
        """The epoch is over."""
        self._epoch_started = False

    def must_leave(self, seconds_to_epoch_end: float) -> bool:
        """Asked before every batch: whether this node drains and the epoch cannot be finished and saved in time.

        A draining node starts no epoch: stopping before the first batch loses nothing.
        """
        deadline = drain_deadline()
        if deadline is None:
            self._epoch_started = True
            return False
        return not self._epoch_started or must_save_now(deadline, time.time() + seconds_to_epoch_end)


def _drains_within(seconds: float) -> bool:
    """Wait for `seconds`, or until the node drains, and return whether it does."""
    end = time.monotonic() + seconds
    while drain_deadline() is None and time.monotonic() < end:
        time.sleep(0.2)
    return drain_deadline() is not None


def _forget_frames(error: BaseException) -> None:
    """Empty the frames of the error's traceback: their variables hold the network, and may hold the error itself."""
    for each in chain(error):
        traceback.clear_frames(each.__traceback__)


def epoch_line(record: EpochRecord, epochs: int) -> str:
    """One epoch as a line of a log."""
    test = "" if record.test_accuracy is None else f"  test accuracy {record.test_accuracy:.2f} %"
    return (
        f"epoch {record.epoch}/{epochs}  train loss {record.train_loss:.4f}{test}"
        f"  {record.seconds:.1f} s  {record.images_per_second:.0f} images/s"
    )


def _short_traceback(error: Exception) -> str:
    """The message, and the innermost calls unless it is an EnvironmentProblem; the log has the whole traceback."""
    if isinstance(error, EnvironmentProblem):
        return str(error)
    return "".join(traceback.format_exception(error, limit=-3)).strip()


def _open_log(path: Path) -> logging.Logger:
    log = logging.getLogger(f"fdt.trial.{path.stem}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    log.addHandler(handler)
    return log
