"""Run directories with a history, written without training: rows, epochs and checkpoints as a driver leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.cells import Cell
from orchestrator.run.driver_lease import claim
from orchestrator.run.launch_record import frozen_launch
from orchestrator.run.open_run import OpenRun, open_run
from orchestrator.run.run_directory import FrozenFiles, RunDirectory

Row = dict[str, Any]


def done(cell: Cell, digest: str = "digest", *, attempt: int = 1, accuracy: float = 90.0) -> Row:
    """The row of a cell whose trial is done."""
    return {
        **cell.columns(),
        "attempt": attempt,
        "status": "done",
        "dataset_digest": digest,
        "final_test_accuracy": accuracy,
    }


def failed(cell: Cell, kind: str = "crash", *, attempt: int = 1) -> Row:
    """The row of a failed attempt."""
    return {**cell.columns(), "attempt": attempt, "status": "failed", "failure_kind": kind, "dataset_digest": "digest"}


def epochs(cell: Cell, count: int, *, attempt: int = 1) -> list[Row]:
    """The rows of the first epochs of an attempt."""
    return [
        {"trial_id": cell.trial_id, "attempt": attempt, "epoch": epoch, "train_loss": 1.0 / epoch}
        for epoch in range(1, count + 1)
    ]


def write(run: RunDirectory, trials: Iterable[Row] = (), epochs: Iterable[Row] = ()) -> None:
    """Append rows to a run."""
    store = ResultsWriter(run.results)
    store.append("trials", list(trials))
    store.append("epochs", list(epochs))
    store.flush()


def leave_weights(run: RunDirectory, cell: Cell, contents: bytes = b"weights", *, name: str = "final.pt") -> Path:
    """The weights of a finished trial."""
    return _leave(run, cell, name, contents)


def leave_working(run: RunDirectory, cell: Cell) -> Path:
    """The working checkpoint of a half-trained trial."""
    return _leave(run, cell, "working-000002-0123.pt", b"state")


def _leave(run: RunDirectory, cell: Cell, name: str, contents: bytes) -> Path:
    file = run.checkpoints / cell.trial_id / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(contents)
    return file


def digits(data: Path) -> str:
    """The digest of the data set that comes with scikit-learn, prepared."""
    return prepared_digest("digits", data)


def frozen(run: RunDirectory) -> Mapping[str, bytes | None]:
    """The contents of what is frozen in a run, by the file's name."""
    files: FrozenFiles = run.frozen_files()
    return {path.name: contents for path, contents in files.items()}


@contextmanager
def opened(run: RunDirectory) -> Iterator[OpenRun]:
    """What a driver finds when it starts on the frozen plan: its backlog, and its recorder."""
    lease = claim(run.driver)
    try:
        yield open_run(frozen_launch(run), lease, device="cpu")
    finally:
        lease.release()
