"""The first half of a launch: plan, and check everything that can be checked; freezing the plan is the last step.

A launch that is refused, or cannot start, leaves the previous plan unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cluster.profile.schema import ClusterProfile
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.provenance import git_commit, uncommitted_digest, versions
from fdt_core.results.run_lookup import runs_root
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.estimate import estimate, refuse_above
from orchestrator.plan.resolve import plan_sweep
from orchestrator.plan.trial_slots import check_slots
from orchestrator.run.adaptive.wanted_cells import left_at_most
from orchestrator.run.driver_lease import DriverLease, claim
from orchestrator.run.launch_record import Launch, LaunchSettings, frozen_launch
from orchestrator.run.run_directory import RunDirectory


def claim_run(run: RunDirectory) -> DriverLease:
    """Become the driver of a run that this machine drives. Raises EnvironmentProblem if another driver is alive."""
    return claim(run.driver)


def new_launch(
    sweep_file: Path, *, runs_dir: Path | None, overrides: Sequence[str] = (), settings: LaunchSettings
) -> Launch:
    """The launch of a sweep file, not yet checked. Reads only the forgiven failures of the run; writes nothing.

    Raises UsageError for a wrong sweep file.
    """
    plan = _planned(sweep_file, overrides, settings)
    run = RunDirectory((runs_root(runs_dir) / plan.name).absolute())
    return Launch(
        run=run,
        plan=plan,
        settings=settings,
        sweep_text=sweep_file.read_text(encoding="utf-8"),
        overrides=tuple(overrides),
        code=_code(),
        forgiven=run.forgiven(),
    )


def frozen_launch_again(run: RunDirectory, overrides: Sequence[str] = ()) -> Launch:
    """What is frozen, with the current code, and with `overrides` applied to the frozen sweep file."""
    frozen = replace(frozen_launch(run), code=_code(), dataset_digests={})
    if not overrides:
        return frozen
    both = (*frozen.overrides, *overrides)
    plan = _planned(run.sweep_file, both, frozen.settings)
    return replace(frozen, plan=plan, overrides=both)


def checked(launch: Launch, profile: ClusterProfile, *, max_gpu_hours: float | None = None) -> Launch:
    """The launch, checked to be possible, with the digests of its data. Writes nothing.

    Raises EnvironmentProblem if data is not prepared, or not what finished trials were trained on, or the machine or
    the cluster lacks what a trial asks for, or a newer fdt-sweep made the run; BudgetRefused if the trials that are
    left would take more than `max_gpu_hours`.
    """
    launch.run.refuse_newer_plan()
    data, plan = Path(launch.settings.data_directory), launch.plan
    launch = replace(launch, dataset_digests={name: prepared_digest(name, data) for name in plan.datasets()})
    ledger = launch.expected()
    ledger.check_data(plan.cells, launch.dataset_digests)
    left = left_at_most(plan, ledger)
    if left:
        check_slots(plan, profile)
    refuse_above(max_gpu_hours, estimate(left, plan.keep, launch.run.results, launch.parts))
    return launch


def _planned(sweep_file: Path, overrides: Sequence[str], settings: LaunchSettings) -> SweepPlan:
    """The part of a sweep file's plan that the launch asks for."""
    plan = plan_sweep(sweep_file, overrides, Path(settings.data_directory))
    if not settings.stop:
        plan = plan.without_stops()
    return plan.matching(settings.filters).first(settings.limit)


def _code() -> dict[str, object]:
    return {"git_commit": git_commit(), "uncommitted_digest": uncommitted_digest(), **versions()}
