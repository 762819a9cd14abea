"""All runs of a runs directory, one line each; a broken run shows its problem and hides no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_status import run_status


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What `status` lists about a run.

    Args:
        name: the folder's name, by which commands find the run.
        path: the run directory.
        state: as in `run_status`; `dead` if the driver died while running, `broken` if the run cannot be read.
        progress: counts of cells by state, `left` and `total` among them; None for a broken run.
        changed: when its driver last wrote its status, else when the plan was frozen (UTC, ISO 8601); None if unknown.
        problem: what is wrong with a broken run, in one line; else None.
    """

    name: str
    path: str
    state: str
    progress: dict[str, int] | None = None
    changed: str | None = None
    problem: str | None = None


def list_runs(root: Path) -> list[RunSummary]:
    """The runs in `root`, the latest change first and broken ones last; none if there is no such folder."""
    if not root.is_dir():
        return []
    found = [_summary(RunDirectory(path)) for path in sorted(root.iterdir()) if _is_run(path)]
    return sorted(found, key=lambda run: run.changed or "", reverse=True)


def runs_text(runs: Sequence[RunSummary], root: Path) -> str:
    """The list as text."""
    if not runs:
        return f"there are no runs in {root}; `fdt-sweep launch sweeps/demo.yaml` makes one, --runs-dir looks elsewhere"
    return "\n".join(_lines(runs))


def runs_json(runs: Sequence[RunSummary]) -> list[dict[str, object]]:
    """The list as plain data."""
    return [asdict(run) for run in runs]


def _is_run(path: Path) -> bool:
    """Whether this is the directory of a run, broken or not: other folders may be next to it."""
    run = RunDirectory(path)
    try:
        return any(part.exists() for part in (run.plan_file, run.results, run.driver))
    except PermissionError:
        return True


def _summary(run: RunDirectory) -> RunSummary:
    try:
        status = run_status(run)
        file = run.status_file if run.status_file.exists() else run.plan_file
        return RunSummary(
            name=run.name,
            path=str(run.path),
            state="dead" if status.driver_is_gone else status.state,
            progress=status.progress.to_json(),
            changed=datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        )
    except Exception as error:  # a broken run must not hide the others
        problem = str(error) or type(error).__name__
        return RunSummary(name=run.name, path=str(run.path), state="broken", problem=problem.splitlines()[0])


def _lines(runs: Sequence[RunSummary]) -> Iterator[str]:
    width = max(12, *(len(run.name) for run in runs))
    yield f"{'run':{width}}  {'state':8} {'done':>6} {'failed':>6} {'left':>6} {'of':>6}  last change"
    for run in runs:
        if run.progress is None:
            yield f"{run.name:{width}}  {run.state:8} {run.problem}"
            continue
        counts = run.progress
        done, failed = counts["done"] + counts["diverged"], counts["failed"] + counts["held_back"]
        numbers = f"{done:6} {failed:6} {counts['left']:6} {counts['total']:6}"
        yield f"{run.name:{width}}  {run.state:8} {numbers}  {_local_time(run.changed)}"


def _local_time(moment: str | None) -> str:
    return "" if moment is None else f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
