"""Carry out a checked launch: here, detached from this terminal, or on Slurm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import RunName, RunsDir, Settings, Verbose

if TYPE_CHECKING:
    from cluster.profile.schema import ClusterProfile
    from orchestrator.launch.outcome import LaunchOutcome
    from orchestrator.run.driver_lease import DriverLease
    from orchestrator.run.launch_record import Launch
    from orchestrator.run.plan_change import PlanChange


def perform_launch(
    launch: Launch,
    profile: ClusterProfile,
    *,
    yes: bool,
    detach: bool | None,
    options: Sequence[str],
    json_: bool,
) -> int:
    """Carry out a checked launch: ask if its plan drops trials, then drive it, or submit it to Slurm; the exit code.

    If `detach` is None, the launch waits for a local sweep, but not for one on Slurm. `options` are those of `drive`
    that select the same profile. The previously frozen plan stays in place until the work starts.
    """
    from orchestrator.launch.prepare import claim_run
    from orchestrator.launch.slurm_submit import claim_on_slurm
    from orchestrator.status.run_status import run_status

    run = launch.run
    lease = claim_on_slurm(run) if profile.kind == "slurm" else claim_run(run)
    try:
        change = _agreed_change(launch, yes)
        _say(f"run directory: {run.path}")
        for warning in launch.plan.warnings:
            _say(f"warning: {warning}")
        tell_damage(run.results, launch.parts)
        outcome = _start(launch, lease, profile, detach, options)
    except BaseException:
        lease.release()
        raise
    if json_:
        # A first launch that could not start leaves no plan.
        status = run_status(run, part_reader=launch.parts) if run.plan_file.exists() else None
        report = {
            "run": str(run.path),
            "sweep": run.name,
            **asdict(outcome),
            "plan_change": None if change is None else change.to_json(),
            "progress": None if status is None else status.progress.to_json(),
        }
        print(json.dumps(report, indent=1))
    return outcome.exit_code


def _start(
    launch: Launch, lease: DriverLease, profile: ClusterProfile, detach: bool | None, options: Sequence[str]
) -> LaunchOutcome:
    if profile.kind == "slurm":
        from orchestrator.launch.slurm_submit import launch_on_slurm

        return launch_on_slurm(launch, lease, profile, follow=detach is False)
    if detach:
        from orchestrator.launch.detached import start_detached

        return start_detached(launch, lease, options, _say)
    return _drive_or_stop(launch, lease, profile, before_work=launch.freeze)


def _agreed_change(launch: Launch, yes: bool) -> PlanChange | None:
    """Report what changes against the frozen plan, and ask if a trial drops out; None if no plan can be compared.

    Raises UsageError if there is no terminal to ask on, or the answer is no.
    """
    from fdt_core.files.json_file import DamagedFile
    from orchestrator.run.plan_change import change_to

    try:
        change = change_to(launch)
    except DamagedFile as problem:
        _say(f"the plan of the last launch cannot be read, and will be replaced: {problem}")
        _agree(yes, "the plan of the last launch cannot be read")
        return None
    if change is not None and (change.dropped or change.new):
        _say(f"against the plan of the last launch: {change}")
    if change is not None and change.dropped:
        _say("  what drops out keeps its rows and weights; to keep both plans, give the sweep another name")
        _agree(yes, "trials drop out of the plan")
    return change


def _agree(yes: bool, what: str) -> None:
    """Continue only if the user agrees."""
    from fdt_core.errors import UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{what}: give --yes if there is no terminal to ask on; nothing was changed")
    if not typer.confirm("Launch?", err=True):
        raise UsageError("not launched; nothing was changed")


def drive_locally(
    run: RunName,
    cluster: Annotated[str, typer.Option(help="Cluster profile of this machine.")] = "local",
    set_: Settings = None,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Run what is left of a run's frozen plan on this machine: what `launch --detach` starts.

    Example:
      fdt-sweep drive demo
    """
    from cluster.profile.schema import load_profile
    from orchestrator.cli.set_options import split_settings
    from orchestrator.launch.prepare import claim_run
    from orchestrator.run.launch_record import frozen_launch
    from orchestrator.run.run_directory import find_run

    found, profile = find_run(run, runs_dir), load_profile(cluster, split_settings(set_ or [])[1])
    launch = frozen_launch(found)
    raise typer.Exit(_drive_or_stop(launch, claim_run(found), profile).exit_code)


def drive_on_slurm(run: RunName, runs_dir: RunsDir = None, verbose: Verbose = False) -> None:
    """Run what is left of a run's frozen plan on the workers of its Slurm jobs: what the head's job starts.

    Example:
      fdt-sweep drive-on-slurm demo --verbose
    """
    from orchestrator.launch.slurm_driver import drive_on_slurm as drive_run
    from orchestrator.run.run_directory import find_run

    raise typer.Exit(drive_run(find_run(run, runs_dir)))


def _drive_or_stop(
    launch: Launch, lease: DriverLease, profile: ClusterProfile, before_work: Callable[[], None] = lambda: None
) -> LaunchOutcome:
    """Drive the launch here to its end, or until it is asked to stop."""
    from orchestrator.launch.local import drive_here
    from orchestrator.launch.outcome import LaunchAction, LaunchOutcome

    try:
        return drive_here(launch, lease, profile, before_work=before_work)
    except KeyboardInterrupt:
        _say("stopped at once; launch again to continue from the last checkpoints")
        return LaunchOutcome(action=LaunchAction.RAN, exit_code=ExitCode.STOPPED)
    finally:
        with suppress(OSError):  # a full disk is reported by what raised here
            lease.release()


def _say(line: str) -> None:
    print(line, file=sys.stderr)
