"""Which rows of a run its frozen plan asks for.

A run directory keeps every row it ever earned. After a change of the sweep file some of them belong to no cell of the
plan any more: readers leave these out and say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fdt_core.files.json_file import damaged
from fdt_core.results.keys import cell_key
from fdt_core.results.plan_file import LAUNCH_AGAIN, read_plan_file


def plan_file(run: Path) -> Path:
    """Where a run directory keeps its frozen plan."""
    return run / "plan.json"


def planned_trials(run: Path) -> list[dict[str, Any]] | None:
    """The trials of a run directory's frozen plan, as plain data; None where it has no plan.

    Raises EnvironmentProblem where plan.json is damaged, or a newer fdt-sweep wrote it.
    """
    file = plan_file(run)
    plan = read_plan_file(file)
    if plan is None:
        return None
    try:
        trials: list[dict[str, Any]] = plan["trials"]
        for trial in trials:
            cell_key(trial)
    except KeyError as error:
        raise damaged(file, f"{error.args[0]} is missing", LAUNCH_AGAIN) from error
    return trials


def left_out(rows: int) -> str:
    """The note about rows of former plans that are not shown."""
    return f"{rows} {'row' if rows == 1 else 'rows'} of former plans left out; --all shows them, marked"
