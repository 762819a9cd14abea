"""What a run directory holds that no row needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ledger import Ledger
from orchestrator.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """A file or directory that may go, and why."""

    path: Path
    reason: str

    @property
    def size(self) -> int:
        """Bytes it takes."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())


def find_garbage(run: RunDirectory) -> list[Garbage]:
    """Checkpoints of trials that are not part of the plan or were given up, files of dead writers, old quarantine.

    Weights that `keep` left of finished trials in the plan, results and logs stay.
    """
    plan, ledger = run.plan(), Ledger.read(run.results)
    planned = {cell.trial_id for cell in plan.cells}
    open_trials = {cell.trial_id for cell in plan.cells if not ledger.record(cell.key).given_up()}
    found = []
    for path in sorted(run.checkpoints.iterdir()):
        if path.name not in planned:
            found.append(Garbage(path=path, reason="its trial is not part of the plan"))
        elif path.name not in open_trials:
            found.append(Garbage(path=path, reason="its trial was given up"))
    found += [Garbage(path=path, reason="left by a writer that died") for path in _left_by_writers(run)]
    quarantine = run.results / "quarantine"
    found += [Garbage(path=path, reason="a damaged part") for path in sorted(quarantine.glob("*"))]
    return found


def remove(garbage: Iterable[Garbage]) -> None:
    """Remove what was found."""
    for item in garbage:
        if item.path.is_dir():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)


def _left_by_writers(run: RunDirectory) -> list[Path]:
    return sorted([*(run.results / ".tmp").glob("*"), *run.path.glob(".*.tmp"), *run.checkpoints.glob("*/.*.partial")])
