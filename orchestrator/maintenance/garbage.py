"""What a run directory holds that no row needs, and what a user may remove beyond that on request.

The rows decide, not the current plan: the results of a finished trial stay, even if its sweep file has changed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fdt_core.results.part_cache import PartCache
from fdt_core.results.reader import read_table
from fdt_core.results.run_lookup import find_trial
from orchestrator.run.ledger import Ledger
from orchestrator.run.run_directory import RunDirectory

_TRIAL_ID = re.compile(r"[0-9a-f]{12}")


class Reason(StrEnum):
    """Why something may go."""

    NAMED = "its trial was named"
    GIVEN_UP = "its trial was given up"
    DONE = "its trial is finished: no longer needed to resume it"
    FORMER = "half-trained, and its trial is not part of the plan"
    DEAD_WRITER = "left by a writer that died"
    DAMAGED = "a damaged part"


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """A file or directory that may go, and why."""

    path: Path
    reason: Reason

    @property
    def size(self) -> int:
        """Bytes it takes."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())


def find_garbage(run: RunDirectory, trials: Sequence[str] = ()) -> list[Garbage]:
    """What may go; with `trials` (ids, or their first letters) only the checkpoints and weights of these trials.

    Weights of finished trials are found only if the trial is named, rows and logs never. `FORMER` checkpoints are
    half-trained: their trials would continue from there if the sweep file came back, so callers ask about them
    separately.

    Raises UsageError for a name that fits no trial or several.
    """
    directories = _trial_directories(run)
    if trials:
        named = [find_trial(name, directories, f"{run.checkpoints}") for name in trials]
        return [Garbage(path=directories[trial_id], reason=Reason.NAMED) for trial_id in dict.fromkeys(named)]
    found = list(_of_trials(run, directories))
    found += [Garbage(path=path, reason=Reason.DEAD_WRITER) for path in _left_by_writers(run)]
    found += [Garbage(path=path, reason=Reason.DAMAGED) for path in sorted((run.results / "quarantine").glob("*"))]
    covered = {item.path for item in found}
    return [item for item in found if item.path.parent not in covered]


def remove(garbage: Iterable[Garbage]) -> None:
    """Remove what was found."""
    for item in garbage:
        if item.path.is_dir():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)


def _trial_directories(run: RunDirectory) -> dict[str, Path]:
    """The checkpoint directories, by trial id; anything else in the folder is not ours, and is skipped."""
    return {
        path.name: path
        for path in sorted(run.checkpoints.glob("*"))
        if _TRIAL_ID.fullmatch(path.name) and path.is_dir()
    }


def _of_trials(run: RunDirectory, directories: dict[str, Path]) -> Iterator[Garbage]:
    parts = PartCache()
    if read_table(run.results, "trials", ("trial_id",), part_reader=parts).damaged:
        return  # rows cannot be read: which trials are finished is not known
    planned, ledger = {cell.trial_id for cell in run.plan().cells}, Ledger.read(run, part_reader=parts)
    for trial_id, directory in directories.items():
        record = ledger.record(trial_id)
        if record.finished:
            working = sorted([*directory.glob("working-*.pt"), *directory.glob("starts.jsonl")])
            yield from (Garbage(path=path, reason=Reason.DONE) for path in working)
        elif any((directory / name).exists() for name in ("final.pt", "best.pt")):
            continue  # it was trained to its end: its row may be in a damaged part
        elif record.given_up:
            yield Garbage(path=directory, reason=Reason.GIVEN_UP)
        elif trial_id not in planned:
            yield Garbage(path=directory, reason=Reason.FORMER)


def _left_by_writers(run: RunDirectory) -> list[Path]:
    return sorted([*(run.results / ".tmp").glob("*"), *run.path.glob(".*.tmp"), *run.checkpoints.glob("*/.*.partial")])
