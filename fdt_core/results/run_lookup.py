"""Find a run directory by its name, and one of its trials by the first letters of its id."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fdt_core.errors import UsageError, nearest_match
from fdt_core.results.plan_file import PLAN_FILE


def runs_root(option: Path | None = None) -> Path:
    """The directory of all runs: `option`, else FDT_RUNS_DIR, else ./runs."""
    return option or Path(os.environ.get("FDT_RUNS_DIR") or "runs")


def find_run_path(name: str | Path, runs_dir: Path | None = None) -> Path:
    """The run directory of this name in the runs directory, or at this path.

    Raises UsageError, which lists the existing runs and the nearest match, if there is none.
    """
    root = runs_root(runs_dir)
    for candidate in (root / name, Path(name)):
        if (candidate / PLAN_FILE).is_file():
            return candidate
    known = sorted(path.parent.name for path in root.glob(f"*/{PLAN_FILE}"))
    listing = f"runs in {root}: {', '.join(known)}" if known else f"there are no runs in {root}"
    raise UsageError(f"no run {str(name)!r}{nearest_match(str(name), known)} ({listing})")


def find_trial(prefix: str, trial_ids: Iterable[str], where: str) -> str:
    """The only one of `trial_ids` that starts with `prefix`; errors call the trials those of `where`.

    Raises UsageError if there is none, or more than one.
    """
    known = sorted(set(trial_ids))
    found = [trial_id for trial_id in known if trial_id.startswith(prefix)] if prefix else []
    if prefix in known:
        return prefix
    if len(found) != 1:
        count = f"{len(found)} trials" if found else "no trial"
        verb = "have ids that start" if len(found) > 1 else "has an id that starts"
        raise UsageError(f"{count} of {where} {verb} with {prefix!r}{nearest_match(prefix, known)}")
    return found[0]
