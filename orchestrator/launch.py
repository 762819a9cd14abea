"""The first half of a launch: check everything that can be checked, and freeze the plan into its run directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.errors import unknown_name
from fdt_core.json_file import parse_json
from fdt_core.plan_file import LAUNCH_AGAIN
from fdt_core.provenance import git_commit, uncommitted_digest, versions
from fdt_core.results.files import write_text_atomically
from orchestrator.estimate import estimate, refuse_above
from orchestrator.failures import ATTEMPTS
from orchestrator.generation import Generation, claim
from orchestrator.ledger import Ledger
from orchestrator.plan import plan_sweep
from orchestrator.run_directory import RunDirectory, runs_root


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """How a launch treats its plan; frozen beside it, so that a head on another machine does the same."""

    data_directory: str
    limit: int | None = None
    max_failures: int | None = None
    retry: tuple[str, ...] = ()
    """Failure kinds whose given-up trials may try again."""
    profile: bool = True
    """Whether each network is measured when the training is over."""
    reuse: tuple[str, ...] = ()
    """Directories of other runs whose finished rows count where the trial and the data are the same."""


def frozen_settings(run: RunDirectory) -> LaunchSettings:
    """How the last launch of `run` treats its plan. Raises EnvironmentProblem where the frozen plan is damaged."""
    text = json.dumps(run.provenance().get("settings"))
    return parse_json(text, LaunchSettings, run.plan_file, cure=LAUNCH_AGAIN)


BecomeDriver = Callable[[RunDirectory], Generation]


def claim_run(run: RunDirectory) -> Generation:
    """Become the driver of a run that this machine drives. Raises EnvironmentProblem where another driver lives."""
    return claim(run.driver)


def freeze(
    sweep_file: Path,
    *,
    runs_dir: Path | None,
    overrides: Sequence[str] = (),
    settings: LaunchSettings,
    share: bool = False,
    max_gpu_hours: float | None = None,
    become_driver: BecomeDriver = claim_run,
) -> tuple[RunDirectory, Generation]:
    """Plan the sweep file and freeze the plan into its run directory, as the run's one driver.

    Raises UsageError for a wrong sweep file, and EnvironmentProblem where data is not prepared, the run directory
    cannot be written, or another driver is at work, BudgetRefused where the trials that are left would take more than
    `max_gpu_hours`; nothing is made before the plan is known to be right.
    """
    data = Path(settings.data_directory)
    plan = plan_sweep(sweep_file, overrides, data).first(settings.limit)
    digests = {name: prepared_digest(name, data) for name in plan.datasets()}
    run = RunDirectory((runs_root(runs_dir) / plan.name).absolute())
    run.refuse_newer_plan()
    ledger = Ledger.read(run.results)
    left = ledger.left(plan.cells)
    refuse_above(max_gpu_hours, estimate(left, plan.keep, run.results))
    run.create(share=share)
    generation = become_driver(run)
    Ledger.read(run.results).check_data(plan.cells, digests)
    provenance = {
        "git_commit": git_commit(),
        "uncommitted_digest": uncommitted_digest(),
        **versions(),
        "dataset_digests": digests,
        "overrides": list(overrides),
        "settings": asdict(settings),
    }
    run.freeze(plan, sweep_file.read_text(encoding="utf-8"), provenance)
    return run, generation


def refreeze(run: RunDirectory, *, retry: str, become_driver: BecomeDriver = claim_run) -> Generation:
    """Become the driver of the plan that is frozen already, to try given-up trials of a failure kind again.

    Raises UsageError for an unknown kind, EnvironmentProblem where another driver is at work.
    """
    kinds = {kind: (kind,) for kind in ATTEMPTS} | {"failed": ("all",), "all": ("all",)}
    if retry not in kinds:
        raise unknown_name("failure kind", retry, kinds)
    data, settings = run.plan_data(), frozen_settings(run)
    generation = become_driver(run)
    data["provenance"]["settings"] = asdict(replace(settings, retry=kinds[retry]))
    write_text_atomically(run.plan_file, json.dumps(data), durable=True)
    return generation
