"""The alternatives of `benchmarks.trial_cost`, each in a separate process, which prints the seconds of its trials.

python -m benchmarks.alternatives.trial_cost ray_tune_defaults 12 2
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.util.actor_pool import ActorPool

from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.ray_node import local_ray


def nothing(config: dict[str, Any]) -> None:
    """A trial that does nothing, as a function of Ray Tune."""
    tune.report({"accuracy": 1.0})


@ray.remote(num_cpus=1)
class Worker:
    """A warm actor."""

    def work(self, number: int) -> int:
        """A task that does nothing."""
        return number


def ray_tune_defaults(trials: int, slots: int) -> None:
    """Ray Tune as in its documentation: an actor, a directory and result files per trial."""
    with tempfile.TemporaryDirectory() as directory:
        results = tune.Tuner(
            nothing,
            param_space={"seed": tune.grid_search(list(range(trials)))},
            run_config=tune.RunConfig(storage_path=directory, verbose=0),
        ).fit()
        assert results.num_terminated == trials, results.errors
        assert any(Path(directory).rglob("result.json"))


def ray_tune_files(epochs: int, slots: int) -> None:
    """One trial of `epochs` epochs that keeps its files, in the directory given on the command line."""

    def report_epochs(config: dict[str, Any]) -> None:
        for epoch in range(1, epochs + 1):
            tune.report({"epoch": epoch, "train_loss": 2.0 / epoch, "test_accuracy": 4.9 * epoch, "lr": config["lr"]})

    storage = str(Path(sys.argv[4]).absolute())
    run_config = tune.RunConfig(storage_path=storage, verbose=0)
    tune.Tuner(report_epochs, param_space={"lr": tune.grid_search([0.1])}, run_config=run_config).fit()


def ray_actor_pool(trials: int, slots: int) -> None:
    """Tasks on warm actors: nothing is recorded, and no fault is survived."""
    pool: Any = ActorPool([Worker.remote() for _ in range(slots)])  # type: ignore[attr-defined]  # added by ray.remote
    assert len(list(pool.map_unordered(lambda actor, number: actor.work.remote(number), list(range(trials))))) == trials


def main() -> None:
    """Time one alternative on a separate Ray."""
    run = {"ray_tune_defaults": ray_tune_defaults, "ray_actor_pool": ray_actor_pool, "ray_tune_files": ray_tune_files}[
        sys.argv[1]
    ]
    trials, slots = int(sys.argv[2]), int(sys.argv[3])
    with local_ray(ClusterProfile(kind="local", device="cpu", cpus_per_node=slots)):
        started = time.perf_counter()
        run(trials, slots)
        seconds = time.perf_counter() - started
    print(seconds)


if __name__ == "__main__":
    main()
