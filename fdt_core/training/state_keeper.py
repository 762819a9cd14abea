"""Keeps the state of a training: a snapshot of the end of each epoch, which a thread writes beside the training."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch

from fdt_core.training.checkpoint import State, TrialCheckpoints
from fdt_core.training.learner import evaluated_weights
from fdt_core.training.snapshot import Snapshot


def seconds_between_checkpoints(least: float, size: int, bytes_per_second: float) -> float:
    """Seconds between the starts of two checkpoints of `size` bytes, at least `least`, to write `bytes_per_second`."""
    return max(least, size / bytes_per_second)


class StateKeeper:
    """Writes the states of one training, and the weights that are kept after it, to its checkpoint directory.

    One write at a time is under way, in a thread. The training does not wait for it: a state that is due meanwhile is
    left out, and a later one takes its place. Only with `keep: all` it waits, as the weights of each epoch are written.
    What makes a write fail is raised by the next call.

    Args:
        checkpoints: the directory.
        device: where the state is.
        interval: seconds between the starts of two working checkpoints, at least; 0: after every epoch.
        bytes_per_second: how much of working checkpoints the trial may write.
        about_weights: what a file of weights holds beside them.
        clock: seconds since some moment.
    """

    def __init__(
        self,
        checkpoints: TrialCheckpoints,
        device: torch.device,
        *,
        interval: float,
        bytes_per_second: float,
        about_weights: State,
        clock: Callable[[], float],
    ) -> None:
        self._checkpoints, self._about_weights, self._clock = checkpoints, about_weights, clock
        self._interval, self._bytes_per_second = interval, bytes_per_second
        self._snapshot = Snapshot(device)
        self._snapshot.take({"best_weights": None})
        self._has_best = False
        self._taken_epoch = self._saved_epoch = 0
        self._weights: str | None = None
        self._started_at = clock()
        self._writing = _Writing()

    def load(self, identity: str) -> State | None:
        """The state to continue from; None if there is none with this identity."""
        state = self._checkpoints.load(identity)
        if state is not None:
            self._taken_epoch = self._saved_epoch = state["epoch"]
            self._has_best = state["best_weights"] is not None
            self._snapshot.take({"best_weights": state["best_weights"]})
        return state

    def keep(self, state: State, *, best: bool, ended: bool, pauses: bool) -> None:
        """Take the state after an epoch, and write it if it is due.

        Args:
            state: of the whole training, with its `epoch`; it may change when this returns.
            best: whether the epoch is the best so far.
            ended: whether the training has ended; its weights are then written, if they are to be kept.
            pauses: whether nothing is trained now after this; all is then on the disk when this returns.
        """
        keep = self._checkpoints.keep
        if pauses or keep == "all":
            self._writing.wait()
        else:
            self._writing.raise_error()
        if keep == "best" and (best or not self._has_best):
            state, self._has_best = state | {"best_weights": evaluated_weights(state)}, True
        self._snapshot.take(state)
        self._taken_epoch = state["epoch"]
        if keep == "all":
            self._weights = f"epoch-{self._taken_epoch:06d}"
        elif ended and keep != "none":
            self._weights = keep
        now = self._clock()
        interval = seconds_between_checkpoints(self._interval, self._snapshot.size, self._bytes_per_second)
        is_due = now - self._started_at >= interval
        if pauses:
            self.save()
        elif (is_due or self._weights) and not self._writing.is_busy:
            self._started_at = now if is_due else self._started_at
            self._writing.start(lambda: self._write(working=is_due))

    def save(self) -> None:
        """Have the newest state on the disk when this returns."""
        self._writing.wait()
        if self._saved_epoch < self._taken_epoch:
            self._write(working=True)
            self._started_at = self._clock()

    def close(self) -> None:
        """Wait for a write that is under way; whether it fails does not matter any more."""
        self._writing.wait(forgive=True)

    def _write(self, *, working: bool) -> None:
        """Write the newest state, its weights first: a training that has ended is never trained again to get them."""
        state = self._snapshot.fetch()
        if self._weights is not None:
            weights = state["best_weights"] if self._weights == "best" else evaluated_weights(state)
            self._checkpoints.save_weights(self._weights, {**self._about_weights, "network": weights})
            self._weights = None
        if working:
            self._checkpoints.save(state, state["epoch"])
            self._saved_epoch = state["epoch"]


class _Writing:
    """A thread that writes, or has written; one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, write: Callable[[], None]) -> None:
        """Call it when none is under way."""
        self._thread = threading.Thread(target=self._run, args=(write,), name="checkpoint-writer")
        self._thread.start()

    def wait(self, *, forgive: bool = False) -> None:
        """Wait until none is under way; raises what made the last one fail, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if forgive:
            self._error = None
        self.raise_error()

    def raise_error(self) -> None:
        """Raise what made the last write fail, if it has failed, once."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # or this frame would hold it, and it the frame, and both what the training holds

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # raised by the thread that trains
            self._error = error
