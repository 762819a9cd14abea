"""The share of the slots' time spent in training, in a real sweep and with the same trainer on Ray Tune's defaults.

    python -m benchmarks.utilisation

Utilisation is the sum of training seconds over slots x wall-clock seconds of the whole command, including imports and
the start of Ray. The data set is prepared before. Networks are not measured afterwards, as Ray Tune does not do that
either. Each runs once, because a run takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.report import print_report

if TYPE_CHECKING:
    from fdt_core.training.trainer import Training

SLOTS = 2

SWEEP = """\
name: utilisation
models: [vgg19]
width: 0.125
templates: [base, a, b, c, d, e]
datasets: [digits]
seeds: {seeds}
recipe: {{base: quick, epochs: {epochs}, batch_size: 64, flip: false, evaluate_every: 1000}}
checkpoint_interval: 0
"""


def seconds_of(command: list[str], directory: Path) -> float:
    """Wall-clock seconds of a command that must succeed."""
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-m", *command], check=True, cwd=directory, env=environment)
    return time.perf_counter() - started


def ours(sweep: Path, directory: Path) -> float:
    """Utilisation of `fdt-sweep launch`."""
    slots = ["--set", f"cluster.cpus_per_node={SLOTS}", "--set", "cluster.device=cpu"]
    seconds = seconds_of(["orchestrator", "launch", str(sweep), "--no-profile", *slots], directory)
    trials = pd.read_parquet(directory / "runs" / "utilisation" / "results" / "trials")
    return float(trials.train_seconds.sum()) / (SLOTS * seconds)


def ray_tune_defaults(sweep: Path, directory: Path) -> float:
    """Utilisation of a script that runs the same trials with Ray Tune as in its documentation."""
    seconds = seconds_of(["benchmarks.utilisation", "--ray-tune-defaults", str(sweep)], directory)
    trained = json.loads((directory / "trained.json").read_text())
    return float(sum(trained)) / (SLOTS * seconds)


def tune_by_default(sweep: Path) -> None:
    """The script of the alternative: an actor per trial, Ray Tune's result files and reports."""
    from ray import tune

    from cluster.profile.schema import ClusterProfile
    from cluster.ray_nodes.ray_node import local_ray
    from orchestrator.plan.resolve import plan_sweep

    specs = [cell.spec.to_json() for cell in plan_sweep(sweep).cells]
    with local_ray(ClusterProfile(kind="local", device="cpu", cpus_per_node=SLOTS)):
        results = tune.Tuner(
            train_one,
            param_space={"spec": tune.grid_search(specs), "data": str(Path("data").absolute())},
            run_config=tune.RunConfig(storage_path=str(Path("tune").absolute()), verbose=0),
        ).fit()
    trained = results.get_dataframe()["train_seconds"]
    Path("trained.json").write_text(json.dumps(trained.tolist()))


def train_one(config: dict[str, Any]) -> None:
    """One trial as a function of Ray Tune."""
    from ray import tune

    training = plain_training(config["spec"], Path(config["data"]))
    for record in training.epochs():
        trained = sum(record.seconds for record in training.history)
        tune.report({"accuracy": record.test_accuracy or 0.0, "train_seconds": trained})


def plain_training(spec_json: str, data_directory: Path) -> Training:
    """A trial with the project's trainer and a checkpoint after every epoch in the working directory."""
    from fdt_core.compute.process import prepare_process
    from fdt_core.datasets.prepared import load_prepared
    from fdt_core.training.checkpoint import TrialCheckpoints
    from fdt_core.training.device_dataset import DeviceDataset
    from fdt_core.training.trainer import Training
    from fdt_core.trial.spec import TrialSpec

    spec = TrialSpec.from_json(spec_json)
    prepare_process(threads=spec.threads)
    data = DeviceDataset(load_prepared(spec.dataset, data_directory), device="cpu")
    checkpoints = TrialCheckpoints(directory=Path("checkpoints").absolute() / spec.trial_id)
    return Training(spec, data, device="cpu", checkpoints=checkpoints, checkpoint_interval=0)


def main() -> None:
    """Run both, one after the other, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray-tune-defaults", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, default=20, help="about 20 to 25 s a trial on a current core")
    parser.add_argument("--seeds", type=int, default=4, help="of six templates: 24 trials")
    arguments = parser.parse_args()
    if arguments.ray_tune_defaults:
        tune_by_default(arguments.ray_tune_defaults)
        return
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        sweep = place / "utilisation.yaml"
        sweep.write_text(SWEEP.format(seeds=arguments.seeds, epochs=arguments.epochs))
        seconds_of(["orchestrator", "data", "prepare", "digits"], place)
        utilisation = ours(sweep, place)
        default = ray_tune_defaults(sweep, place)
    print_report(
        "utilisation",
        ratios={"ray_tune_defaults": utilisation / default},
        figures={"utilisation": utilisation, "utilisation_ray_tune_defaults": default},
        packages=("ray", "torch"),
    )


if __name__ == "__main__":
    main()
