"""The frozen plan of a run as plain data: `plan.json`, which the orchestrator writes and analysis reads too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.json_file import read_json

PLAN_VERSION = 1
"""Raised when an older fdt-sweep would misread the file. A newer one reads all versions before its own."""

LAUNCH_AGAIN = "launch the sweep file again"
"""The cure for a damaged plan: a launch resolves the sweep file, and the results say what is done."""


class _Version(TypedDict, total=False):
    plan_version: int


@with_config(ConfigDict(extra="allow"))
class _PlannedTrial(TypedDict, total=False):
    """The columns that tell trials apart; the others are for their readers to check."""

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
    """The plan in the file at `path`; None where there is no such file.

    Raises EnvironmentProblem where the file is damaged, or a newer fdt-sweep has written it.
    """
    version = (read_json(path, _Version, cure=LAUNCH_AGAIN) or {}).get("plan_version", 0)
    if version > PLAN_VERSION:
        raise EnvironmentProblem(
            f"{path} has plan version {version}, and this fdt-sweep reads versions up to {PLAN_VERSION}: "
            "a newer fdt-sweep made this run; use that one, or give the sweep another name"
        )
    plan = read_json(path, _Plan, cure=LAUNCH_AGAIN)
    return None if plan is None else dict(plan)
