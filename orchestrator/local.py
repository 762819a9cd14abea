"""Drive a sweep on this machine, on a Ray of its own."""

from __future__ import annotations

import os
import sys

from cluster.profile import ClusterProfile
from cluster.ray_node import local_ray, node_resources
from fdt_core.errors import EnvironmentProblem
from orchestrator.console import silent_stdout
from orchestrator.generation import Generation
from orchestrator.run_directory import RunDirectory
from orchestrator.stop_signals import StopSignals
from orchestrator.trial_needs import trial_needs
from orchestrator.work import open_work


def drive_here(run: RunDirectory, generation: Generation, profile: ClusterProfile) -> int:
    """Run what is left of the frozen plan; returns the exit code. Starts no Ray where nothing is left.

    Raises EnvironmentProblem where the machine lacks what the profile or a trial asks for, KeyboardInterrupt where it
    was told to stop at once.
    """
    offered = node_resources(profile)
    if profile.device == "cuda" and not offered.gpus:
        raise EnvironmentProblem("the profile asks for CUDA, but this machine shows no GPU")
    device = "cpu" if profile.device == "cpu" or not offered.gpus else "cuda"
    work = open_work(run, generation, device=device)
    if work.nothing_left():
        progress = work.backlog.progress()
        print(
            f"nothing to do: {progress.done + progress.diverged} of {progress.total} trials are done", file=sys.stderr
        )
        generation.release()
        return work.exit_code(interrupted=False)

    from orchestrator.drive import drive
    from orchestrator.tune_environment import TUNE_ENVIRONMENT

    needs = trial_needs(work.plan, node=offered, profile=profile)
    os.environ.update(TUNE_ENVIRONMENT)
    # What asks for a stop while Ray starts is heard when Ray is up, and does not break off its start or its end.
    with StopSignals() as signals, silent_stdout(), local_ray(profile) as head:
        drain_flag = head.directory / "drain"
        return drive(work, needs=needs, device=device, drain_flag=drain_flag, scratch=head.directory, signals=signals)
