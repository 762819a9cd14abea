"""Train a small trial in this process and kill the process with SIGKILL at a given point.

    python -m tests.fdt_core.training.killable_training DIRECTORY SPEC POINT

SPEC: the trial, as JSON.
POINT: `batch:N` before the N-th batch, `write:N` in the middle of writing the N-th checkpoint, `moment:S` S seconds
after the writing of the first checkpoint has begun, which takes `SLOW_SECONDS` while the training goes on, `epoch:N`
when this process reports its N-th epoch, `never`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from fdt_core.training import checkpoint
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.trainer import Training
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.trials import on_cpu


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_middle_of_writing(number: int) -> None:
    write, calls = checkpoint._write_atomically, iter(range(1, 1000))

    def half_written(path: Path, contents: bytes) -> None:
        if path.name.startswith("working-") and next(calls) == number:
            path.with_name(f".{path.name}.partial").write_bytes(contents[: len(contents) // 2])
            die()
        write(path, contents)

    checkpoint._write_atomically = half_written


SLOW_SECONDS = 0.5


def die_while_writing_slowly(seconds: float) -> None:
    write, calls = checkpoint._write_atomically, iter(range(1000))

    def slowly(path: Path, contents: bytes) -> None:
        if not path.name.startswith("working-") or next(calls) != 0:
            return write(path, contents)
        threading.Timer(seconds, die).start()
        pieces, size = 15, len(contents) // 15 + 1
        with path.with_name(f".{path.name}.partial").open("wb") as file:
            for start in range(0, len(contents), size):
                file.write(contents[start : start + size])
                file.flush()
                time.sleep(0.75 * SLOW_SECONDS / pieces)
        write(path, contents)
        time.sleep(0.25 * SLOW_SECONDS)

    checkpoint._write_atomically = slowly


def main(directory: str, spec: str, point: str) -> None:
    """Train, and kill this process at `point`."""
    kind, _, number = point.partition(":")
    batches = iter(range(1, 100_000))

    def before_batch(seconds_to_epoch_end: float) -> bool:
        if kind == "batch" and next(batches) == int(number):
            die()
        return False

    if kind == "write":
        die_in_the_middle_of_writing(int(number))
    if kind == "moment":
        die_while_writing_slowly(float(number))
    training = Training(
        TrialSpec.from_json(spec),
        on_cpu(),
        device="cpu",
        checkpoints=TrialCheckpoints(Path(directory)),
        checkpoint_interval=0,
        should_stop=before_batch,
    )
    for count, _ in enumerate(training.epochs(), start=1):
        if kind == "epoch" and count == int(number):
            die()


if __name__ == "__main__":
    main(*sys.argv[1:])
