"""What one node of a profile offers: the CPUs, GPUs and memory that Slurm or the machine gives it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.profile.schema import ClusterProfile
from cluster.profile.slurm_units import parse_memory


@dataclass(frozen=True, kw_only=True)
class NodeResources:
    """What a Ray node offers to trials. Memory and object store in bytes."""

    cpus: int
    gpus: int
    memory: int
    object_store: int


def node_resources(profile: ClusterProfile) -> NodeResources:
    """The resources of one node of the profile; what a local profile leaves open is taken from this machine."""
    gpus = profile.gpus_per_node
    if gpus is None:
        gpus = 0 if profile.device == "cpu" else visible_gpus()
    cpus = profile.cpus_per_node or (visible_cpus() if profile.kind == "local" else profile.cpus_per_gpu * max(gpus, 1))
    memory = parse_memory(profile.mem) if profile.mem else psutil.virtual_memory().available
    return NodeResources(
        cpus=cpus,
        gpus=gpus,
        memory=max(memory - profile.object_store_bytes, 0),
        object_store=profile.object_store_bytes,
    )


def visible_gpus() -> int:
    """NVIDIA GPUs that this process may use: those in CUDA_VISIBLE_DEVICES (indexes, UUIDs, MIG), else all devices."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return len([device for device in listed.split(",") if device.strip() not in ("", "-1", "NoDevFiles")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def visible_cpus() -> int:
    """CPUs that this process may use: its affinity, which Slurm or taskset may restrict, not the machine's count."""
    return len(os.sched_getaffinity(0))
