"""Run one recorded trial again and report whether it came out identical."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.results.equality import row_differences
from fdt_core.results.reader import read_table
from fdt_core.results.run_lookup import find_trial
from orchestrator.launch.one_trial import run_alone
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.outcome import Outcome

_SURROUNDINGS = (
    *("device", "device_name", "hostname", "git_commit", "code_version"),
    *("torch_version", "ray_version", "python_version"),
)
"""Columns that explain a difference rather than being one."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The recorded and the new row, the metrics in which they differ, and what differed around them."""

    recorded: Mapping[str, object]
    repeated: Mapping[str, object]
    differences: Mapping[str, tuple[object, object]]
    surroundings: Mapping[str, tuple[object, object]]

    @property
    def identical(self) -> bool:
        """Whether every metric came out the same to the bit."""
        return not self.differences


def reproduce(run: RunDirectory, prefix: str, *, data_dir: Path, say: Callable[[str], None]) -> Reproduction:
    """Train the recorded trial whose id starts with `prefix` again, from the start, on the same kind of device.

    Raises UsageError if no finished trial, or more than one, has such an id, or the plan no longer contains it.
    Raises EnvironmentProblem if its data set has changed.
    """
    recorded = _recorded_row(run, prefix)
    cells = {cell.trial_id: cell for cell in run.plan().cells}
    cell = cells.get(str(recorded["trial_id"]))
    if cell is None:
        raise UsageError(f"trial {recorded['trial_id']} is no longer part of the plan of {run.path}")
    until = cast(int, recorded["epochs_trained"]) if recorded["status"] == Outcome.STOPPED else None
    repeated = run_alone(cell, data_dir, str(recorded["device"]), say, until)
    if repeated["dataset_digest"] != recorded["dataset_digest"]:
        raise EnvironmentProblem(
            f"data set {cell.spec.dataset} is not the one of the recorded trial: digest {recorded['dataset_digest']} "
            f"then, {repeated['dataset_digest']} now"
        )
    differing = row_differences(recorded, recorded | repeated)
    return Reproduction(
        recorded=recorded,
        repeated=repeated,
        differences={name: pair for name, pair in differing.items() if name not in _SURROUNDINGS},
        surroundings={
            name: (recorded[name], repeated[name])
            for name in _SURROUNDINGS
            if name in repeated and recorded[name] != repeated[name]
        },
    )


def reproduction_text(found: Reproduction) -> str:
    """The outcome as text."""
    name = f"trial {found.recorded['trial_id']}"
    lines = [f"{name} came out identical" if found.identical else f"{name} came out different:"]
    lines += [f"  {column}: {old!r} then, {new!r} now" for column, (old, new) in found.differences.items()]
    if found.surroundings:
        lines.append("changed around it:")
        lines += [f"  {column}: {old} then, {new} now" for column, (old, new) in found.surroundings.items()]
    return "\n".join(lines)


def reproduction_json(found: Reproduction) -> dict[str, object]:
    """The outcome as plain data: what differs, and what changed around it, each as [recorded, repeated]."""
    return {
        "trial_id": found.recorded["trial_id"],
        "identical": found.identical,
        "differences": {column: list(pair) for column, pair in found.differences.items()},
        "surroundings": {column: list(pair) for column, pair in found.surroundings.items()},
    }


def _recorded_row(run: RunDirectory, prefix: str) -> dict[str, object]:
    rows = read_table(run.results, "trials").rows.to_pylist()
    finished = {row["trial_id"]: row for row in rows if row["status"] != "failed"}
    return dict(finished[find_trial(prefix, finished, f"the finished ones of {run.path}")])
