"""Usual ways to run a study on Slurm, for `benchmarks.slurm`. Runs within its lab and prints the makespan in seconds.

python -m benchmarks.alternatives.slurm submitit_job_array SWEEP DATA FOLDER
python -m benchmarks.alternatives.slurm fixed_ray_cluster SWEEP DATA FOLDER
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.machine.network import own_ip_address
from cluster.machine.processes import end_session, start_session
from cluster.machine.resources import node_resources
from cluster.machine.scratch import scratch_directory
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.credentials import Credentials
from cluster.ray_nodes.ray_node import head_ray, join_command, ray_environment
from orchestrator.plan.resolve import plan_sweep

SLOTS = 3
NODE: dict[str, Any] = {"cpus_per_task": 1, "mem": "1500M", "additional_parameters": {"gres": "gpu:1"}}
POLL_SECONDS = 0.2


def submitit_job_array(sweep: Path, data: Path, folder: Path) -> float:
    """A job array of one job per trial, as in submitit's documentation; as many jobs at a time as there are slots."""
    import submitit

    started = time.perf_counter()
    executor = submitit.SlurmExecutor(folder=folder)
    executor.update_parameters(array_parallelism=SLOTS, time=30, **NODE)
    specs = [cell.spec.to_json() for cell in plan_sweep(sweep).cells]
    jobs = executor.map_array(train_alone, specs, [str(data)] * len(specs), [str(folder)] * len(specs))
    _await([job.paths.result_pickle for job in jobs])
    return time.perf_counter() - started


def train_alone(spec: str, data: str, folder: str) -> float:
    """One trial in a separate job, with the project's trainer and a checkpoint after every epoch."""
    from benchmarks.utilisation import plain_training

    os.chdir(folder)
    training = plain_training(spec, Path(data))
    return sum(record.seconds for record in training.epochs())


def fixed_ray_cluster(sweep: Path, data: Path, folder: Path) -> float:
    """One allocation of `SLOTS` nodes, a Ray node on each, and Ray Tune with its defaults once all have joined.

    Ray's connections are not encrypted, as is its default.
    """
    import submitit

    started = time.perf_counter()
    executor = submitit.SlurmExecutor(folder=folder)
    executor.update_parameters(nodes=SLOTS, ntasks_per_node=1, time=30, **NODE)
    job = executor.submit(one_node, str(sweep), str(data), str(folder))
    _await([job.paths.result_pickle])
    job.results()
    return time.perf_counter() - started


def one_node(sweep: str, data: str, folder: str) -> None:
    """One task of the allocation: it joins Ray; the first task is also the head and the driver."""
    files = Path(folder)
    profile = ClusterProfile(
        kind="slurm",
        device="cpu",
        gpus_per_node=1,
        cpus_per_gpu=1,
        mem="1500M",
        network_interface="lab0",
        scratch=os.environ["FDT_BENCHMARK_SCRATCH"],
    )
    token = ensure_token(files / "token")
    if os.environ["SLURM_PROCID"] != "0":
        _await([files / "address"])
        with _joined((files / "address").read_text(), profile, token):
            _await([files / "over"])
        return
    with head_ray(profile, credentials=Credentials(token=token)) as head:
        (files / "address.new").write_text(head.address)
        (files / "address.new").rename(files / "address")
        with _joined(head.address, profile, token):
            _run_tune(Path(sweep), Path(data), files)
        (files / "over").touch()


@contextlib.contextmanager
def _joined(address: str, profile: ClusterProfile, token: Path) -> Iterator[None]:
    with scratch_directory(profile.scratch) as directory:
        own = own_ip_address(profile.network_interface)
        command = join_command(address, node_resources(profile), directory, own, job=os.environ["SLURM_PROCID"])
        node = start_session(command, environment=ray_environment(token, os.environ))
        try:
            yield
        finally:
            end_session(node, patience=0)


def _run_tune(sweep: Path, data: Path, files: Path) -> None:
    import ray
    from ray import tune

    from benchmarks.utilisation import train_one

    while ray.cluster_resources().get("GPU", 0) < SLOTS:  # type: ignore[no-untyped-call]  # Ray ships few types
        time.sleep(POLL_SECONDS)
    specs = [cell.spec.to_json() for cell in plan_sweep(sweep).cells]
    tune.Tuner(
        tune.with_resources(train_one, {"CPU": 1, "GPU": 1}),
        param_space={"spec": tune.grid_search(specs), "data": str(data)},
        run_config=tune.RunConfig(storage_path=str(files / "tune"), verbose=0),
    ).fit()


def _await(paths: list[Path]) -> None:
    while not all(path.exists() for path in paths):
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    choices = {function.__name__: function for function in (submitit_job_array, fixed_ray_cluster)}
    print(choices[sys.argv[1]](*map(Path, sys.argv[2:])))
