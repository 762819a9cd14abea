"""What one trial asks of a node, and how many fit. Importing this imports no Ray."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cluster.machine.resources import NodeResources, node_resources
from cluster.profile.schema import ClusterProfile, with_further_profiles
from fdt_core.errors import EnvironmentProblem
from orchestrator.plan.cells import SweepPlan


@dataclass(frozen=True, kw_only=True)
class TrialSlots:
    """What one trial asks of Ray, and how many run at a time. A retry after `oom` gets `whole_gpus`."""

    cpus: float
    gpus: float
    whole_gpus: float
    slots: int

    def gpu_share(self, *, whole_device: bool) -> float | None:
        """The part of a GPU's memory that a trial may use; None if it has the device to itself, or needs none."""
        return self.gpus if 0 < self.gpus < 1 and not whole_device else None


def packed(profile: ClusterProfile, plan: SweepPlan) -> ClusterProfile:
    """The profile, with the plan's `trials_per_gpu` if it sets any."""
    return replace(profile, trials_per_gpu=plan.resources.trials_per_gpu or profile.trials_per_gpu)


def trial_slots(plan: SweepPlan, *, node: NodeResources, profile: ClusterProfile, nodes: int = 1) -> TrialSlots:
    """What a trial asks of Ray, and how many fit on `nodes` nodes that offer `node` each.

    Raises EnvironmentProblem if not even one fits.
    """
    asked = plan.resources
    share = 1 / packed(profile, plan).trials_per_gpu if node.gpus else 0.0
    slots = node.cpus // asked.cpus
    if share:
        slots = min(slots, int(node.gpus / share + 1e-9))
    if slots < 1:
        raise EnvironmentProblem(
            f"a trial asks for {asked.cpus} CPUs and {share:g} GPUs, but a node offers {node.cpus} and {node.gpus}"
        )
    return TrialSlots(cpus=asked.cpus, gpus=share, whole_gpus=1.0 if share else 0.0, slots=slots * nodes)


def local_device(profile: ClusterProfile) -> str:
    """The device that trials on this machine use: cpu or cuda.

    Raises EnvironmentProblem if the profile asks for CUDA and there is no GPU.
    """
    gpus = node_resources(profile).gpus
    if profile.device == "cuda" and not gpus:
        raise EnvironmentProblem("the profile asks for CUDA, but this machine shows no GPU")
    return "cuda" if gpus and profile.device != "cpu" else "cpu"


def check_slots(plan: SweepPlan, profile: ClusterProfile) -> None:
    """Check before anything is written that this machine, or each kind of worker job, can run a trial.

    Raises EnvironmentProblem if it cannot, UsageError for a wrong profile.
    """
    if profile.kind == "local":
        local_device(profile)
    for each in (profile,) if profile.kind == "local" else with_further_profiles(profile):
        trial_slots(plan, node=node_resources(each), profile=each)
