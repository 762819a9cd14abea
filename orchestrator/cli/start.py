"""What follows a frozen plan on the command line: it is driven here, or apart from this terminal, or on Slurm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import RunName, RunsDir, Settings, Verbose

if TYPE_CHECKING:
    from cluster.profile import ClusterProfile
    from orchestrator.generation import Generation
    from orchestrator.run_directory import RunDirectory


def start(
    run: RunDirectory,
    generation: Generation,
    profile: ClusterProfile,
    *,
    detach: bool | None,
    options: Sequence[str],
) -> int:
    """Drive the frozen plan, or submit it to Slurm; returns the exit code.

    `detach` None is what is usual there: to wait for a local sweep, and to leave one on Slurm to itself. `options` are
    those of `drive` that give the same profile.
    """
    _say(f"run directory: {run.path}")
    if profile.kind == "slurm":
        from orchestrator.slurm import submit_and_tell

        return submit_and_tell(run, generation, profile, follow=detach is False)
    if detach:
        from orchestrator.detached import start_detached

        return start_detached(run, generation, options, _say)
    return _drive_or_stop(run, generation, profile)


def drive(
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
    from cluster.profile import load_profile
    from orchestrator.launch import claim_run
    from orchestrator.run_directory import find_run
    from orchestrator.settings import split_settings

    found, profile = find_run(run, runs_dir), load_profile(cluster, split_settings(set_ or [])[1])
    raise typer.Exit(_drive_or_stop(found, claim_run(found), profile))


def _drive_or_stop(run: RunDirectory, generation: Generation, profile: ClusterProfile) -> int:
    """Drive the frozen plan here to its end, or until it is told to stop; returns the exit code."""
    from orchestrator.local import drive_here

    try:
        return drive_here(run, generation, profile)
    except KeyboardInterrupt:
        _say("stopped at once; launch again to go on from the last checkpoints")
        return 130
    finally:
        with suppress(OSError):  # a full disk is told by what raised here
            generation.release()


def _say(line: str) -> None:
    print(line, file=sys.stderr)
