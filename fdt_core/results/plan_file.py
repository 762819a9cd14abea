"""The frozen plan of a run as plain data: `plan.json`, written by the orchestrator and also read by analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.json_file import read_json

PLAN_FILE = "plan.json"
"""The name of the file in a run directory; a directory that holds it is a run directory."""

PLAN_VERSION = 3
"""Raised when an older fdt-sweep would misread the file. A newer one reads all earlier versions."""

LAUNCH_AGAIN = "launch the sweep file again"
"""The remedy for a damaged plan: a launch resolves the sweep file again, and the results show what is done."""


def plan_version(*, adaptive: bool, tuned: bool) -> int:
    """The version of a plan: 3 if it tunes, 2 with looks, 1 otherwise. Without these, a reader would train all."""
    return 3 if tuned else 2 if adaptive else 1


class _Version(TypedDict, total=False):
    plan_version: int


@with_config(ConfigDict(extra="allow"))
class _PlannedTrial(TypedDict, total=False):
    """The columns that identify a trial; readers check the others that they need."""

    trial_id: str
    sweep: str
    model: str
    width: float
    template: str
    dataset: str
    seed: int
    budget_rule: str


@with_config(ConfigDict(extra="allow"))
class _Plan(TypedDict, total=False):
    trials: list[_PlannedTrial]
    provenance: dict[str, Any]


def read_plan_file(path: Path) -> dict[str, Any] | None:
    """Read the plan in the file at `path`; None if there is no such file.

    Raises EnvironmentProblem if the file is damaged, or if a newer fdt-sweep wrote it.
    """
    version = (read_json(path, _Version, remedy=LAUNCH_AGAIN) or {}).get("plan_version", 0)
    if version > PLAN_VERSION:
        raise EnvironmentProblem(
            f"{path} has plan version {version}, and this fdt-sweep reads versions up to {PLAN_VERSION}: "
            "a newer fdt-sweep made this run; use that one, or give the sweep another name"
        )
    plan = read_json(path, _Plan, remedy=LAUNCH_AGAIN)
    return None if plan is None else dict(plan)
