"""Cluster profiles: where a sweep's compute comes from, as a frozen value read from a strict YAML file."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cluster.profile.sbatch_options import checked_options
from cluster.profile.slurm_units import parse_memory, parse_time_limit
from fdt_core.errors import UsageError, unknown_name
from fdt_core.files.set_options import Setting, apply_setting
from fdt_core.files.yaml_file import load_yaml, printable


def _number_as_text(value: object) -> object:
    """`time: 60` and `mem: 4000` are numbers in YAML, but minutes and megabytes for Slurm."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked_time(text: str) -> str:
    parse_time_limit(text)
    return text


def _checked_memory(text: str) -> str:
    parse_memory(text)
    return text


PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
TimeLimit = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_time)]
Memory = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_checked_memory)]

SbatchOptions = Annotated[dict[str, str | int | bool], AfterValidator(checked_options)]
Device = Literal["auto", "cpu", "cuda"]

_STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class HeadProfile:
    """The job of the sweep's head: Ray's head and the driver, which needs no GPU."""

    placement: Literal["own_job", "first_worker"] = "own_job"
    """`first_worker` for sites with GPU partitions only: the head then shares the first worker's job."""
    partition: str | None = None
    """None = the workers'."""
    cpus: PositiveInt = 2
    mem: Memory = "4G"
    time: TimeLimit | None = None
    """None = the workers'. Shortly before its end, the head hands over to a successor."""
    sbatch: SbatchOptions = field(default_factory=dict)
    """Further sbatch options of the head's job, passed through as they are."""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ClusterProfile:
    """Where compute comes from, and how much. Each field is a key of a profile's YAML file.

    Raises pydantic's ValidationError (a ValueError) if a value has the wrong type or is out of range.
    """

    name: str = ""
    """Shown to people; the file's name unless given."""
    kind: Literal["local", "slurm"]
    device: Device = "auto"
    """What trials train on. `auto` (local only): CUDA if this machine has it, else the CPU."""

    gpus_per_node: NonNegativeInt | None = None
    """GPUs of each node (of each worker job on Slurm). None (local only): all that are visible."""
    cpus_per_gpu: PositiveInt = 4
    cpus_per_node: PositiveInt | None = None
    """CPUs of each node. None = `cpus_per_gpu` for each GPU (local: all that this process may use)."""
    trials_per_gpu: PositiveInt = 1
    mem: Memory | None = None
    """Memory of each node, in Slurm's notation. None (local only): what is available."""
    object_store_memory: Memory = "100M"
    """Ray's shared memory on each node. It is small, as trials only send rows; Ray's minimum is 75M."""

    scratch: str = "/tmp"
    """Node-local directory for temporary files, never on a network file system; $VARIABLES are expanded there."""
    network_interface: str | None = None
    """Interface whose address Ray uses, such as `ib0`. None = the one on the route to the head."""
    tls: bool = True
    """Whether Ray's connections between the jobs of a sweep are encrypted. On one machine, none leaves it."""

    python: str | None = None
    """Python of the jobs. None = the one that launches."""
    container: str | None = None
    """Command put before `python` in the jobs, such as `apptainer exec --nv image.sif`."""
    setup: tuple[str, ...] = ()
    """Shell lines that each job runs before Python, such as `module load cuda`."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpu_type: str | None = None
    """Type in `--gres=gpu:TYPE:N`."""
    time: TimeLimit = "08:00:00"
    """Time limit of one worker job. Its end costs little, so a short limit is fine, and short jobs start sooner."""
    max_workers: PositiveInt = 4
    """Maximum number of worker jobs at the same time."""
    also: tuple[str, ...] = ()
    """Further Slurm profiles, by name or path, whose workers join the sweep if this profile's are not enough."""
    drain_seconds: PositiveInt = 180
    """How long before its end a job starts no more trials, and saves those that run."""
    notice_seconds: PositiveInt = 25
    """How long a job is sure to run after Slurm's notice: a little less than the site's KillWait (usually 30)."""
    mail: str | None = None
    """Address that Slurm writes to when the head's job ends or fails."""
    head: HeadProfile = HeadProfile()
    sbatch: SbatchOptions = field(default_factory=dict)
    """Further sbatch options of the worker jobs, passed through as they are, such as `constraint: a100`."""

    def __post_init__(self) -> None:
        if self.kind == "slurm" and self.device == "auto":
            raise ValueError("device must be `cuda` or `cpu` for Slurm: a job never falls back to the CPU silently")
        if self.kind == "slurm" and self.device == "cuda" and not self.gpus_per_node:
            raise ValueError("gpus_per_node must be at least 1 if the device is `cuda`")
        if self.kind == "slurm" and self.drain_seconds >= self.time_seconds:
            raise ValueError(f"drain_seconds ({self.drain_seconds}) must be less than time ({self.time})")

    @property
    def time_seconds(self) -> int:
        """A worker job's time limit, in seconds."""
        return parse_time_limit(self.time)

    @property
    def head_time_seconds(self) -> int:
        """The time limit of the head's job, in seconds."""
        return parse_time_limit(self.head.time or self.time)

    @property
    def object_store_bytes(self) -> int:
        """Ray's shared memory on each node, in bytes."""
        return parse_memory(self.object_store_memory)


def load_profile(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> ClusterProfile:
    """The profile from a file, the user's configuration folder or the package, searched in this order.

    Args:
        name_or_path: a path (with a `/`, or ending in .yaml or .yml) or a bare name such as `slurm`.
        overrides: values by key, dotted for the head's (`head.cpus`): the command line's `--set cluster.KEY=VALUE`.

    Raises:
        UsageError: for an unknown profile, and for an unknown key or a wrong value in the file or the overrides.
    """
    file = load_yaml(_profile_path(name_or_path))
    for key, value in (overrides or {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        setting = Setting(keys=tuple(key.split(".")), value=value, text=printable(f"--set cluster.{key}={text}"))
        file = apply_setting(file, setting)
    profile = file.parse(ClusterProfile)
    return profile if profile.name else replace(profile, name=file.path.stem)


def with_further_profiles(profile: ClusterProfile) -> tuple[ClusterProfile, ...]:
    """`profile` and those that it names in `also`, in this order; all take `trials_per_gpu` and `tls` from the first.

    Raises UsageError if one is unknown or named twice, or has another kind or device than the first.
    """
    further = [load_profile(name) for name in profile.also]
    for other in further:
        if (other.kind, other.device) != (profile.kind, profile.device):
            raise UsageError(
                f"profile {profile.name}: also: {other.name} has kind {other.kind} and device {other.device}, "
                f"not {profile.kind} and {profile.device}"
            )
    names = [profile.name, *(other.name for other in further)]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"profile {profile.name}: also: {repeated[0]} is named twice")
    return (profile, *(replace(other, trials_per_gpu=profile.trials_per_gpu, tls=profile.tls) for other in further))


def user_profile_folder() -> Path:
    """The folder of the user's profiles: `fdt-sweep/clusters` in XDG_CONFIG_HOME, or in ~/.config."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # Path.home raises if neither HOME nor a user name leads to a folder; this returns one that does not exist.
    home = configured if configured.startswith("/") else os.path.expanduser("~/.config")  # noqa: PTH111 - never raises
    return Path(home) / "fdt-sweep" / "clusters"


def _profile_path(name_or_path: str) -> Path:
    if "/" in name_or_path or re.search(r"\.ya?ml$", name_or_path):
        return Path(name_or_path)
    shipped = Path(str(files("cluster.profile") / "shipped"))
    found = {path.stem: path for folder in (shipped, user_profile_folder()) for path in sorted(folder.glob("*.yaml"))}
    if name_or_path not in found:
        raise unknown_name("cluster profile", name_or_path, sorted(found))
    return found[name_or_path]
