"""Drive a sweep on this machine, on a Ray of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

from cluster.profile import ClusterProfile
from cluster.ray_node import local_ray, node_resources
from orchestrator.console import silent_stdout
from orchestrator.generation import Generation
from orchestrator.launch import Launch
from orchestrator.outcome import Outcome
from orchestrator.stop_signals import StopSignals
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
        return Outcome(action="nothing to do", exit_code=work.exit_code(interrupted=False))

    needs = trial_needs(work.plan, node=node_resources(profile), profile=profile)
    # What asks for a stop while Ray starts is heard when Ray is up, and does not break off its start or its end.
    with StopSignals() as signals, silent_stdout(), local_ray(profile) as head:
        from orchestrator.drive import drive  # Ray reads its environment when it is imported

        before_work()
        status = drive(
            work,
            needs=needs,
            device=device,
            drain_flag=head.directory / "drain",
            scratch=head.directory,
            signals=signals,
        )
        return Outcome(action="ran", exit_code=status)
