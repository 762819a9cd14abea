"""Checkpoints of one trial: complete, atomic, verified on load, and few files.

    checkpoints/<trial_id>/working-000012-1f0c….pt   all that resuming after epoch 12 needs; the last two are kept
                           starts.jsonl              one line per process that worked on the trial
                           final.pt                  weights that outlive the trial: final.pt, best.pt, epoch-000012.pt

A working checkpoint's name carries the SHA-256 of its contents, so that one rename makes it both complete and
verifiable. Files are read with torch's weights-only loader: a checkpoint cannot run code.
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
"""What stays of a finished trial: nothing, the final weights, those of its best epoch, or those of every epoch."""

State = dict[str, Any]
"""Tensors and plain values, nested in dicts and lists: what torch's weights-only loader accepts."""

_KEPT_WORKING = 2
_STARTS = "starts.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Start:
    """One process that began to work on the trial.

    Args:
        time: when, in ISO 8601 with its zone.
        host: where.
        device_name: model of the device.
        slurm_job: the Slurm job, None outside Slurm.
        epoch: epochs that were already done: 0 for a fresh start, else what it resumed from.
    """

    time: str
    host: str
    device_name: str
    slurm_job: str | None
    epoch: int


@dataclass(frozen=True)
class TrialCheckpoints:
    """The checkpoint directory of one trial; one process at a time may write it."""

    directory: Path
    keep: Keep = "final"

    def save(self, state: State, epoch: int) -> None:
        """Make `state` the newest working checkpoint: it is on the disk, whole, when this returns."""
        contents = _serialised(state)
        digest = hashlib.sha256(contents).hexdigest()
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_atomically(self.directory / f"working-{epoch:06d}-{digest}.pt", contents)
        for older in self._working()[_KEPT_WORKING:]:
            older.unlink(missing_ok=True)

    def load(self, identity: str) -> State | None:
        """The newest undamaged working checkpoint whose state has that 'identity'; None where there is none."""
        for path in self._working():
            state = _read_verified(path)
            if state is None:
                _log.warning("checkpoint %s is damaged: falling back to the one before", path)
            elif state["identity"] != identity:
                _log.warning("checkpoint %s belongs to another trial or other data: not resumed from", path)
            else:
                return state
        return None

    def save_weights(self, name: str, state: State) -> None:
        """Write weights that outlive the trial: `final`, `best` or `epoch-000012`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_atomically(self.directory / f"{name}.pt", _serialised(state))

    def record_start(self, start: Start) -> None:
        """Append to the log of the processes that worked on this trial."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / _STARTS).open("a") as log:
            log.write("\n" + json.dumps(asdict(start)))  # begins a line: the last one may have been cut short
            log.flush()
            os.fsync(log.fileno())

    def starts(self) -> tuple[Start, ...]:
        """The recorded starts, oldest first; a last line cut short by a crash is left out."""
        try:
            lines = (self.directory / _STARTS).read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(TypeAdapter(Start).validate_json(line) for line in lines if line.endswith("}"))

    def finalise(self) -> None:
        """Leave only what `keep` names. For the driver, once the trial's row is on the disk; needs no torch."""
        if not self.directory.exists():
            return
        kept = set(self._weights_in(self.directory))
        for path in self.directory.iterdir():
            if path not in kept:
                path.unlink(missing_ok=True)
        if not kept:
            self.directory.rmdir()

    def take_weights(self, other: Path) -> None:
        """Have the weights that `keep` names, as they lie in the checkpoint directory `other` of the same trial.

        They are shared with `other` by a hard link where the file system allows it: nothing ever changes a file of
        weights, and removing one name leaves the other. Files that are here already stay. Needs no torch.
        """
        for source in self._weights_in(other):
            target = self.directory / source.name
            if not target.exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                _link_or_copy(source, target)

    def take_working(self, other: Path) -> None:
        """Have the working checkpoints of `other`, the directory of the same trial elsewhere, where none are here.

        Like weights they are shared. The log of starts is copied, for it grows. Needs no torch.
        """
        sources = sorted(other.glob("working-*.pt"))
        if not sources or self.directory.exists():
            return
        self.directory.mkdir(parents=True)
        if (other / _STARTS).exists():
            _write_atomically(self.directory / _STARTS, (other / _STARTS).read_bytes())
        for source in sources:
            with suppress(FileNotFoundError):  # the other run goes on, and has replaced it
                _link_or_copy(source, self.directory / source.name)

    def _weights_in(self, directory: Path) -> list[Path]:
        """The files in `directory` that `keep` names."""
        wanted = {"none": "", "final": "final.pt", "best": "best.pt", "all": "epoch-*.pt"}[self.keep]
        return sorted(directory.glob(wanted)) if wanted else []

    def _working(self) -> list[Path]:
        """Working checkpoints, newest first; of one epoch, the one written last."""
        found = self.directory.glob("working-*.pt")
        return sorted(found, key=lambda path: (path.name[:14], path.stat().st_mtime_ns), reverse=True)


def _serialised(state: State) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _read_verified(path: Path) -> State | None:
    """The state in a working checkpoint, None where the contents do not match the name's checksum."""
    import torch

    contents = path.read_bytes()
    if hashlib.sha256(contents).hexdigest() != path.stem.rpartition("-")[2]:
        return None
    state: State = torch.load(io.BytesIO(contents), map_location="cpu", weights_only=True)
    return state


def _link_or_copy(source: Path, target: Path) -> None:
    """`target` becomes another name of `source`, or a copy that is whole or absent."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        _write_atomically(target, source.read_bytes())


def _write_atomically(path: Path, contents: bytes) -> None:
    """`path` is either as it was or has the whole `contents`, whatever happens to this process or machine."""
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
