"""Ray, hardened for shared machines: always a token, private directories, free ports, explicit resources.

Ray listens on every interface, regardless of the address it is given: hence the token, and TLS where nodes talk over a
network. `ray stop` kills other users' Ray too, so it is never called: every process of a node dies with the process
that started it.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cluster.machine.drain import DRAIN_FILE_VARIABLE
from cluster.machine.network import own_ip_address
from cluster.machine.processes import stop_signals_held_back
from cluster.machine.resources import NodeResources, node_resources
from cluster.machine.scratch import scratch_directory
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.credentials import Credentials, NodeCertificate
from cluster.ray_nodes.membership import JOB_LABEL
from cluster.ray_nodes.private_files import check_private
from fdt_core.compute.process import compiler_caches, process_environment

NODE_VARIABLE = "FDT_NODE"
"""Environment variable with the name of an actor's node: a worker's Slurm job id, or `local`."""

_FOREIGN = ("RAY_", "TUNE_")
"""Variables with these prefixes steer Ray: none is inherited from the user's shell."""

_SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ROTATION_MAX_BYTES": "10000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
    # How long a node stays alive once nothing answers at the head's address (Ray's default: 60).
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    # The drain flag does the draining: `ray start` itself ends at once on SIGTERM.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    # Ray would kill trials when 95 % of the node's memory is in use, which on a shared node is the neighbours' doing.
    "RAY_memory_monitor_refresh_ms": "0",
    # Ray would keep a record of each of the last 100,000 calls in the head, for a dashboard that is never started.
    "RAY_task_events_report_interval_ms": "0",
    "RAY_worker_niceness": "0",  # Ray would train at the lowest priority, behind any neighbour
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # users' own modules are found in the folder of the launch; read in each trial
    "MPLBACKEND": "agg",  # a notebook's would not work in a trial whose model draws
}
"""Environment of every process of Ray, the driver and the trials included."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class RayHead:
    """A running head: the address (`ip:port`) that other nodes join, and the private directory of its node."""

    address: str
    token_file: Path
    directory: Path


def ray_environment(
    token_file: Path, inherited: Mapping[str, str], certificate: NodeCertificate | None = None
) -> dict[str, str]:
    """`inherited` and all that a process needs to talk to the Ray with this token, and to no other.

    With a certificate, all connections are encrypted. Variables of Ray and Tune are not inherited. The result holds the
    paths of the token and of the certificate, never the token. Raises EnvironmentProblem unless the token is private.
    """
    check_private(token_file)
    kept = {name: value for name, value in inherited.items() if not name.startswith(_FOREIGN)}
    encryption = certificate.variables() if certificate else {}
    return kept | _SETTINGS | {"RAY_AUTH_TOKEN_PATH": str(token_file)} | encryption


def node_variables(node: str, directory: Path) -> dict[str, str]:
    """Environment of the actors of node `node`: its name, its drain flag, and where they keep what they compile.

    All files are in `directory`, the node's private one.
    """
    return {
        NODE_VARIABLE: node,
        DRAIN_FILE_VARIABLE: str(directory / "drain"),
        **compiler_caches(directory),
    }


@contextlib.contextmanager
def local_ray(profile: ClusterProfile, *, variables: Mapping[str, str] = _NOTHING) -> Iterator[RayHead]:
    """A Ray of one node in this process, with the profile's resources; nothing of it is left at exit.

    Its connections stay within this machine, where only root can listen, and are not encrypted. Call it from the main
    thread. If this process is killed, the kernel kills Ray's processes with it, and the next start removes what they
    left on disk.

    Args:
        profile: what the node offers, and where its scratch directory is.
        variables: added to the environment of this process and of all processes of Ray.

    Raises:
        EnvironmentProblem: if the scratch directory cannot be used.
    """
    with scratch_directory(profile.scratch) as directory:
        token_file = ensure_token(directory / "token")
        added = {**node_variables("local", directory), **variables}
        environment = {**ray_environment(token_file, os.environ), **added}
        with _ray_head(node_resources(profile), directory, token_file, environment, own_address=None) as head:
            yield head


@contextlib.contextmanager
def head_ray(
    profile: ClusterProfile, *, credentials: Credentials, variables: Mapping[str, str] = _NOTHING
) -> Iterator[RayHead]:
    """Ray's head in this process, which offers no resources itself: other nodes join it with the same credentials.

    Call it from the main thread. `variables` are added to the environment of this process, not of the other nodes.
    Raises EnvironmentProblem if the credentials, or the profile's scratch directory or network interface, cannot be
    used.
    """
    from cluster.ray_nodes.certificates import issue_certificate

    with scratch_directory(profile.scratch) as directory:
        nothing = NodeResources(cpus=0, gpus=0, memory=0, object_store=profile.object_store_bytes)
        own_address = own_ip_address(profile.network_interface)
        until = time.time() + profile.head_time_seconds
        certificate = issue_certificate(credentials, directory, own_address, until=until)
        environment = {**ray_environment(credentials.token, os.environ, certificate), **variables}
        with _ray_head(nothing, directory, credentials.token, environment, own_address=own_address) as head:
            yield head


@contextlib.contextmanager
def _ray_head(
    resources: NodeResources,
    directory: Path,
    token_file: Path,
    environment: Mapping[str, str],
    own_address: str | None,
) -> Iterator[RayHead]:
    with process_environment(environment):
        import ray
        from ray.job_config import JobConfig

        _forget_former_settings()
        with stop_signals_held_back():
            ray.init(
                address="local",
                num_cpus=resources.cpus,
                num_gpus=resources.gpus,
                object_store_memory=resources.object_store,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _memory=resources.memory,
                _node_ip_address=own_address,
                _temp_dir=str(directory),
                # Ray puts the driver's current directory first on its workers' import path, and would run a user's
                # `select.py` there; it does not for a client's job. Ray 2.60 uses this flag for nothing else.
                job_config=JobConfig(_client_job=True),
            )
        try:
            yield RayHead(address=ray.get_runtime_context().gcs_address, token_file=token_file, directory=directory)
        finally:
            _shut_down()


def _shut_down() -> None:
    """End Ray, in this process and beside it.

    `ray.shutdown` asks each of five processes to end, by SIGTERM, and kills it a second later. They have it blocked,
    so those five seconds would be in vain. There is no public way to do without.
    """
    import ray

    worker: Any = importlib.import_module("ray._private.worker")  # has no types
    if (node := worker._global_node) is not None:
        kill = node.kill_all_processes
        node.kill_all_processes = lambda **_options: kill(check_alive=False)
    ray.shutdown()


def _forget_former_settings() -> None:
    """Make Ray read its variables and the token again: it keeps the first ones that a process ever used.

    There is no public way; Ray's own tests do the same.
    """
    _raylet = importlib.import_module("ray._raylet")
    _raylet.Config.initialize("")
    _raylet.AuthenticationTokenLoader.instance().reset_cache()


def join_command(
    address: str, resources: NodeResources, directory: Path, own_address: str | None, *, job: str
) -> list[str]:
    """The command that joins the head at `address` as a node with `resources`, and runs until it is terminated.

    Run it with `ray_environment`, which carries the credentials. The node is labelled with the Slurm job `job`. The
    system chooses every port among the free ones.
    """
    options = {
        "address": address,
        "num-cpus": resources.cpus,
        "num-gpus": resources.gpus,
        "memory": resources.memory,
        "object-store-memory": resources.object_store,
        "temp-dir": directory,
        "log-style": "record",
        "labels": f"{JOB_LABEL}={job}",
        **({"node-ip-address": own_address} if own_address else {}),
    }
    start = "from ray.scripts.scripts import main; main()"
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-P", "-c", start, "start", "--block", "--disable-usage-stats", *flags]
