"""The options of sbatch that a head's and a worker's job get."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cluster.profile.schema import ClusterProfile
from cluster.slurm.records import Role, SlurmLaunch


def job_parameters(
    launch: SlurmLaunch, role: Role, profile: ClusterProfile, further: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters for submitit, for a head or worker job."""
    as_worker = role == Role.WORKER or profile.head.placement == "first_worker"
    size = _worker_options(profile) if as_worker else _head_options(profile)
    passed_through = profile.sbatch if as_worker else profile.head.sbatch
    seconds = profile.time_seconds if role == Role.WORKER else profile.head_time_seconds
    options = {
        "job_name": launch.name_of(role),
        "nodes": 1,
        "ntasks": 1,
        # `B:` because the batch script is our process itself.
        "signal": f"B:USR2@{profile.drain_seconds}",
        # The pool replaces a lost worker; if Slurm requeued it as well, there would be one too many.
        "requeue" if role == Role.HEAD else "no_requeue": True,
        "account": profile.account,
        "qos": profile.qos,
        **size,
        **({"mail_user": profile.mail, "mail_type": "END,FAIL"} if profile.mail and role == Role.HEAD else {}),
        **further,
        **{name.replace("-", "_"): value for name, value in passed_through.items()},
    }
    return {
        "time": math.ceil(seconds / 60),
        "setup": list(profile.setup) or None,
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": {
            name: value for name, value in options.items() if value is not None and value is not False
        },
    }


def _worker_options(profile: ClusterProfile) -> dict[str, Any]:
    gpus = profile.gpus_per_node or 0
    kind = f"gpu:{profile.gpu_type}" if profile.gpu_type else "gpu"
    return {
        "partition": profile.partition,
        "cpus_per_task": profile.cpus_per_node or profile.cpus_per_gpu * max(gpus, 1),
        "mem": profile.mem,
        "gres": f"{kind}:{gpus}" if gpus else None,
    }


def _head_options(profile: ClusterProfile) -> dict[str, Any]:
    return {
        "partition": profile.head.partition or profile.partition,
        "cpus_per_task": profile.head.cpus,
        "mem": profile.head.mem,
    }
