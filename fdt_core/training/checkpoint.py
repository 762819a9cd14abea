"""Checkpoints of one trial: complete, atomic, verified on load, and few files.

    checkpoints/<trial_id>/working-000012-1f0c….pt   everything needed to resume after epoch 12; the last two are kept
                           starts.jsonl              one line per process that trained the trial
                           final.pt                  weights kept after the trial: final.pt, best.pt, epoch-000012.pt

The name of a working checkpoint contains the SHA-256 of its contents, so a single rename makes it both complete and
verifiable. Files are read with torch's weights-only loader, so a checkpoint cannot run code.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

Keep = Literal["none", "final", "best", "all"]
"""What is kept of a finished trial: nothing, the final weights, those of its best epoch, or those of every epoch."""

State = dict[str, Any]
"""Tensors and plain values, nested in dicts and lists: what torch's weights-only loader accepts."""

_KEPT_WORKING = 2
_STARTS = "starts.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Start:
    """The start of a process that trains the trial.

    Args:
        time: in ISO 8601 with the time zone.
        host: name of the machine.
        device_name: model of the device.
        slurm_job: the Slurm job; None outside Slurm.
        epoch: epochs already done: 0 for a fresh start, otherwise the epoch it resumed after.
    """

    time: str
    host: str
    device_name: str
    slurm_job: str | None
    epoch: int


@dataclass(frozen=True)
class TrialCheckpoints:
    """The checkpoint directory of one trial; only one process at a time may write to it."""

    directory: Path
    keep: Keep = "final"

    def save(self, state: State, epoch: int) -> None:
        """Make `state` the newest working checkpoint; it is complete on disk when this returns."""
        contents = _serialised(state)
        digest = hashlib.sha256(contents).hexdigest()
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_atomically(self.directory / f"working-{epoch:06d}-{digest}.pt", contents)
        for older in self._working()[_KEPT_WORKING:]:
            older.unlink(missing_ok=True)

    def load(self, identity: str) -> State | None:
        """The state of the newest intact working checkpoint with this 'identity', or None."""
        for path in self._working():
            state = _read_verified(path)
            if state is None:
                _log.warning("checkpoint %s is damaged: falling back to the previous one", path)
            elif state["identity"] != identity:
                _log.warning("checkpoint %s belongs to another trial or other data: not resuming from it", path)
            else:
                return state
        return None

    def save_weights(self, name: str, state: State) -> None:
        """Write weights that are kept after the trial: `final`, `best` or `epoch-000012`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_atomically(self.directory / f"{name}.pt", _serialised(state))

    def record_start(self, start: Start) -> None:
        """Append to the log of the processes that trained this trial."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / _STARTS).open("a") as log:
            log.write("\n" + json.dumps(asdict(start)))  # starts a new line: the last one may be incomplete
            log.flush()
            os.fsync(log.fileno())

    def starts(self) -> tuple[Start, ...]:
        """The recorded starts, oldest first; lines that a crash cut short are skipped."""
        try:
            lines = (self.directory / _STARTS).read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(TypeAdapter(Start).validate_json(line) for line in lines if line.endswith("}"))

    def finalise(self) -> None:
        """Delete everything that `keep` does not name, once the trial's row is on disk. Does not import torch."""
        if not self.directory.exists():
            return
        kept = set(self._weights_in(self.directory))
        for path in self.directory.iterdir():
            if path not in kept:
                path.unlink(missing_ok=True)
        if not kept:
            self.directory.rmdir()

    def take_weights(self, other: Path) -> None:
        """Take over the weights that `keep` names from `other`, a checkpoint directory of the same trial.

        They are hard-linked if the file system allows it: weights files are never modified, and deleting one name
        leaves the other. Existing files are not replaced. Does not import torch.
        """
        for source in self._weights_in(other):
            target = self.directory / source.name
            if not target.exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                _link_or_copy(source, target)

    def take_working(self, other: Path) -> None:
        """Take over the working checkpoints from `other`, another directory of the same trial, if this one is missing.

        Like weights, they are hard-linked. The log of starts is copied, because it grows. Does not import torch.
        """
        sources = sorted(other.glob("working-*.pt"))
        if not sources or self.directory.exists():
            return
        self.directory.mkdir(parents=True)
        if (other / _STARTS).exists():
            _write_atomically(self.directory / _STARTS, (other / _STARTS).read_bytes())
        for source in sources:
            with suppress(FileNotFoundError):  # the other run is still running and has replaced it
                _link_or_copy(source, self.directory / source.name)

    def _weights_in(self, directory: Path) -> list[Path]:
        """The files in `directory` that `keep` names."""
        wanted = {"none": "", "final": "final.pt", "best": "best.pt", "all": "epoch-*.pt"}[self.keep]
        return sorted(directory.glob(wanted)) if wanted else []

    def _working(self) -> list[Path]:
        """Working checkpoints, newest first; within an epoch, the last written first."""
        found = self.directory.glob("working-*.pt")
        return sorted(found, key=lambda path: (path.name[:14], path.stat().st_mtime_ns), reverse=True)


def _serialised(state: State) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _read_verified(path: Path) -> State | None:
    """The state in a working checkpoint; None if its contents do not match the checksum in its name."""
    import torch

    contents = path.read_bytes()
    if hashlib.sha256(contents).hexdigest() != path.stem.rpartition("-")[2]:
        return None
    state: State = torch.load(io.BytesIO(contents), map_location="cpu", weights_only=True)
    return state


def _link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or else an atomic copy."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        _write_atomically(target, source.read_bytes())


def _write_atomically(path: Path, contents: bytes) -> None:
    """Write `contents` so that `path` is either unchanged or complete, even if the process or the machine crashes."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
