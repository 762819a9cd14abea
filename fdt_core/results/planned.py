"""Which rows of a run belong to its frozen plan.

A run directory keeps all rows ever written to it. After a change of the sweep file, some no longer belong to a cell of
the plan: readers leave these out and report how many.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from fdt_core.files.json_file import damaged, parse_json, read_json
from fdt_core.quantities import counted
from fdt_core.results.columns import FORMER_VALUES
from fdt_core.results.keys import cell_key
from fdt_core.results.looks import Looks
from fdt_core.results.plan_file import LAUNCH_AGAIN, PLAN_FILE, read_plan_file
from fdt_core.results.tuning import Tuning

T = TypeVar("T")

FORGIVEN_FILE = "forgiven.json"
"""The name of the file that says which failures no longer count, because the user asked for a retry."""


def planned_trials(run: Path) -> list[dict[str, Any]] | None:
    """The trials of a run directory's frozen plan, as plain data; None if it has no plan.

    Columns that the plan is too old for have the value that `FORMER_VALUES` gives.

    Raises EnvironmentProblem if plan.json is damaged, or if a newer fdt-sweep wrote it.
    """
    file = run / PLAN_FILE
    plan = read_plan_file(file)
    if plan is None:
        return None
    try:
        trials = [FORMER_VALUES | trial for trial in plan["trials"]]
        for trial in trials:
            cell_key(trial)
    except KeyError as error:
        raise damaged(file, f"{error.args[0]} is missing", LAUNCH_AGAIN) from error
    return trials


def left_out(rows: int) -> str:
    """The note about rows of former plans that are not shown."""
    return f"{counted(rows, 'row')} of former plans left out; --all shows them, marked"


def planned_looks(run: Path) -> Looks | None:
    """When a run directory's frozen plan looks at its comparisons; None if it has no adaptive seeds, or no plan.

    Raises EnvironmentProblem if plan.json is damaged, or if a newer fdt-sweep wrote it.
    """
    return _planned_part(run, "looks", Looks)


def planned_tuning(run: Path) -> Tuning | None:
    """How a run directory's frozen plan tunes; None if it does not, or has no plan. Raises as `planned_looks`."""
    return _planned_part(run, "tuning", Tuning)


def forgiven_failures(run: Path) -> dict[str, int]:
    """The failures of a run directory that no longer count: for each trial id, those up to this attempt.

    Raises DamagedFile.
    """
    return read_json(run / FORGIVEN_FILE, dict[str, int], remedy="remove it, and ask for the retry again") or {}


def _planned_part(run: Path, key: str, type_: type[T]) -> T | None:
    """The value of a key of the frozen plan that not every plan has."""
    file = run / PLAN_FILE
    value = (read_plan_file(file) or {}).get(key)
    return None if value is None else parse_json(json.dumps(value), type_, file, remedy=LAUNCH_AGAIN)
