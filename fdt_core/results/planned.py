"""Which rows of a run its frozen plan asks for.

A run directory keeps every row it ever earned. After a change of the sweep file some of them belong to no cell of the
plan any more: readers leave these out and say so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fdt_core.errors import EnvironmentProblem
from fdt_core.results.files import read_text_if_exists
from fdt_core.results.keys import cell_key

_CURE = "launch the sweep file again, which writes a new plan"


def plan_file(run: Path) -> Path:
    """Where a run directory keeps its frozen plan."""
    return run / "plan.json"


def planned_trials(run: Path) -> list[dict[str, Any]] | None:
    """The trials of a run directory's frozen plan, as plain data; None where it has no plan.

    Raises EnvironmentProblem where plan.json is damaged.
    """
    file = plan_file(run)
    try:
        text = read_text_if_exists(file)
        if text is None:
            return None
        trials = list(json.loads(text)["trials"])
        if not all(isinstance(name, str) for trial in trials for name in cell_key(trial)):
            raise TypeError("a name is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise EnvironmentProblem(f"{file} is damaged ({type(error).__name__}: {error}): {_CURE}") from error
    return trials


def left_out(rows: int) -> str:
    """The note about rows of former plans that are not shown."""
    return f"{rows} {'row' if rows == 1 else 'rows'} of former plans left out; --all shows them, marked"
