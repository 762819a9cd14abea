"""The jobs of a sweep without trials: what the tests of `cluster` run on the lab's login node and in its head job.

`python -m lab.slurm.bare_sweep submit RUN_DIRECTORY PROFILE WORKERS` prints the job ids;
`python -m lab.slurm.bare_sweep drive SLURM_DIRECTORY` is the driver: it opens the head, records where its tasks ran in
`seen.json`, and stays until there is a file `finish`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.leaving_nodes import LeavingNodes
from cluster.slurm.jobs.open_head import open_head
from cluster.slurm.launch_sweep import make_launch, submit_sweep


def submit(run_directory: Path, profile: str, workers: str) -> None:
    """Submit a sweep whose driver is `drive`, and print its job ids: the head's, then the workers'."""
    files = SlurmFiles(run_directory / "slurm")
    command = [sys.executable, "-m", "lab.slurm.bare_sweep", "drive", str(files.directory)]
    launch = make_launch(run_directory, "bare", [load_profile(profile)], command)
    submission = submit_sweep(files, launch, workers=int(workers))
    print(json.dumps([submission.head, *submission.workers]))


def drive(slurm_directory: Path) -> None:
    """Record where tasks ran in `seen.json`, until there is a file `finish`."""
    with open_head(slurm_directory):
        import ray

        @ray.remote(num_gpus=1, num_cpus=0)
        def location() -> list[str]:
            time.sleep(1)  # long enough for tasks to occupy all GPUs at once
            return [os.environ[name] for name in ("FDT_NODE", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES")]

        leaving = LeavingNodes(SlurmFiles(slurm_directory))
        seen: list[list[str]] = []
        while not (slurm_directory / "finish").exists():
            leaving.look()
            resources = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray ships few types
            gpus = int(resources.get("GPU", 0))
            seen += ray.get([location.remote() for _ in range(gpus)])
            (slurm_directory / "seen.tmp").write_text(json.dumps(sorted({tuple(each) for each in seen})))
            (slurm_directory / "seen.tmp").rename(slurm_directory / "seen.json")
            time.sleep(0.5)


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        submit(Path(sys.argv[2]), *sys.argv[3:])
    else:
        drive(Path(sys.argv[2]))
