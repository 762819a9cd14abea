"""Drive a sweep on this machine, on a Ray of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cluster.profile import ClusterProfile
from cluster.ray_node import local_ray, node_resources
from orchestrator.console import silent_stdout
from orchestrator.generation import Generation
from orchestrator.launch import Launch
from orchestrator.outcome import Outcome
from orchestrator.trial_needs import local_device, trial_needs
from orchestrator.work import open_work


def drive_here(
    launch: Launch,
    generation: Generation,
    profile: ClusterProfile,
    *,
    before_work: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run what is left of a launch. Starts no Ray where nothing is left.

    `before_work` is called once nothing stands in the way of the work any more. Raises EnvironmentProblem where the
    machine lacks what the profile or a trial asks for, KeyboardInterrupt where it was told to stop at once.
    """
    device = local_device(profile)
    work = open_work(launch, generation, device=device)
    if work.nothing_left():
        before_work()
        print(work.nothing_to_do(), file=sys.stderr)
        generation.release()
        return Outcome(action="nothing to do", exit_code=work.exit_code(stopped=False))

    from orchestrator.drive import drive
    from orchestrator.tune_environment import TUNE_ENVIRONMENT

    needs = trial_needs(work.plan, node=node_resources(profile), profile=profile)
    os.environ.update(TUNE_ENVIRONMENT)
    with silent_stdout(), local_ray(profile) as head:
        before_work()
        flag = head.directory / "drain"
        return Outcome(
            action="ran",
            exit_code=drive(work, needs=needs, device=device, drain_flag=flag, scratch=head.directory),
        )
