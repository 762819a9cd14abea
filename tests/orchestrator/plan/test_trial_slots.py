"""What a trial asks of a node, and how many fit: threads divided, GPUs shared, nothing oversubscribed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.machine.resources import NodeResources
from cluster.profile.schema import ClusterProfile
from fdt_core.errors import EnvironmentProblem
from orchestrator.plan.resolve import plan_sweep
from orchestrator.plan.trial_slots import TrialSlots, packed, trial_slots

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


def needs(*settings: str, cpus: int, gpus: int = 0, packed: int = 1) -> TrialSlots:
    node = NodeResources(cpus=cpus, gpus=gpus, memory=2**30, object_store=2**27)
    return trial_slots(
        plan_sweep(DEMO, settings), node=node, profile=ClusterProfile(kind="local", trials_per_gpu=packed)
    )


@pytest.mark.parametrize(
    ("settings", "cpus", "gpus", "packed", "expected"),
    [
        ((), 2, 0, 1, TrialSlots(cpus=1, gpus=0, whole_gpus=0, slots=2)),
        (("resources.cpus=3",), 8, 0, 1, TrialSlots(cpus=3, gpus=0, whole_gpus=0, slots=2)),
        ((), 8, 2, 1, TrialSlots(cpus=1, gpus=1, whole_gpus=1, slots=2)),
        (("resources.trials_per_gpu=3",), 8, 2, 1, TrialSlots(cpus=1, gpus=1 / 3, whole_gpus=1, slots=6)),
        (("resources.trials_per_gpu=3",), 4, 2, 1, TrialSlots(cpus=1, gpus=1 / 3, whole_gpus=1, slots=4)),
        ((), 8, 1, 4, TrialSlots(cpus=1, gpus=1 / 4, whole_gpus=1, slots=4)),
    ],
)
def test_slots(settings: tuple[str, ...], cpus: int, gpus: int, packed: int, expected: TrialSlots) -> None:
    assert needs(*settings, cpus=cpus, gpus=gpus, packed=packed) == expected


def test_a_trial_that_has_a_device_to_itself_has_all_of_its_memory() -> None:
    shared = needs(cpus=8, gpus=1, packed=4)
    assert (shared.gpu_share(whole_device=False), shared.gpu_share(whole_device=True)) == (1 / 4, None)
    alone = needs(cpus=8, gpus=1)
    assert (alone.gpu_share(whole_device=False), needs(cpus=8).gpu_share(whole_device=False)) == (None, None)


def test_the_sweep_file_says_how_many_share_a_gpu_else_the_profile_does() -> None:
    profile = ClusterProfile(kind="local", trials_per_gpu=4)
    assert packed(profile, plan_sweep(DEMO)).trials_per_gpu == 4
    assert packed(profile, plan_sweep(DEMO, ["resources.trials_per_gpu=3"])).trials_per_gpu == 3


def test_a_trial_that_fits_nowhere_is_refused_with_both_numbers() -> None:
    with pytest.raises(EnvironmentProblem, match="asks for 4 CPUs and 0 GPUs, but a node offers 2 and 0"):
        needs("resources.cpus=4", cpus=2)
