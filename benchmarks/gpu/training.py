"""Training images per second on one GPU: ways to train a network here, beside loops as others write them.

    python -m benchmarks.gpu.training

A narrow network, which is limited by how fast the host launches operations, and one of full width. Ways of fdt-sweep:

- `plain` (float32), `tf32`, `bf16`: the precisions.
- `graph`, `graph_bf16`: recipe.cuda_graph. `compile`: recipe.compile.
- `packed_2`, `packed_4`, `packed_4_graph`: so many trials at a time, each in a process; the images of all together.

Alternatives: `plain_loop`, with torchvision and a DataLoader with workers, in float32; `airbench`, `airbench_compiled`:
loops in the way of airbench, in bfloat16. Nothing is evaluated. Candidates take turns; figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from statistics import median
from typing import Any

import torch

from benchmarks.alternatives.gpu_loops import airbench_way, plain_loop
from benchmarks.report import interleaved_seconds, print_report
from fdt_core.compute.process import prepare_process, private_compiler_caches
from fdt_core.networks.architectures import architecture
from fdt_core.training.batch_metrics import read_scores
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.learner import Learner
from fdt_core.trial.recipe import recipe_for
from fdt_core.trial.spec import TrialSpec
from lab.noise_images import noise_images

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "graph": {"cuda_graph": True},
    "graph_bf16": {"cuda_graph": True, "precision": "bf16"},
    "compile": {"compile": True},
}
PACKED: dict[str, tuple[int, dict[str, Any]]] = {
    "packed_2": (2, {}),
    "packed_4": (4, {}),
    "packed_4_graph": (4, {"cuda_graph": True}),
}
NETWORKS = {"narrow_vgg19": ("vgg19", 0.125), "resnet18": ("resnet18", 1.0)}
EPOCHS_WARM, EPOCHS_TIMED = 2, 5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured, and where."""

    device: str
    steps: int
    rounds: int

    @property
    def images(self) -> int:
        """Images of an epoch."""
        return self.steps * recipe_for("paper", "cifar10").batch_size


def trial(network: str, recipe: Mapping[str, Any]) -> TrialSpec:
    """A trial with the paper's recipe but for the fields of `recipe`."""
    model, width = NETWORKS[network]
    return TrialSpec(
        model=model,
        width=width,
        widths=architecture(model).scaled_widths(width),
        dataset="noise",
        image=noise_images(1).info.image,
        seed=0,
        recipe=recipe_for({"base": "paper", **recipe}, "cifar10"),
        threads=1,
    )


def our_way(network: str, recipe: Mapping[str, Any], data: DeviceDataset) -> Callable[[], object]:
    """One epoch by the trainer, which reads losses and accuracy once."""
    learner, epochs = Learner(trial(network, recipe), data), iter(range(1, 200))
    return lambda: read_scores([learner.train(next(epochs), lambda part: None)])


def in_turns(network: str, size: Size) -> dict[str, float]:
    """Images per second of every candidate that trains alone on the device."""
    prepared = noise_images(size.images)
    data = DeviceDataset(prepared, size.device)
    compiles = shutil.which("cc") is not None
    candidates = {name: our_way(network, way, data) for name, way in WAYS.items() if compiles or "compile" not in name}
    spec = trial(network, {})
    candidates["plain_loop"] = plain_loop(spec, prepared, size.device)
    candidates["airbench"] = airbench_way(spec, prepared, size.device, compiled=False)
    if compiles:
        candidates["airbench_compiled"] = airbench_way(spec, prepared, size.device, compiled=True)
    interleaved_seconds(candidates, rounds=1)  # warm up
    seconds = interleaved_seconds(candidates, rounds=size.rounds)
    return {name: size.images / median(values) for name, values in seconds.items()}


def packed(network: str, size: Size) -> dict[str, float]:
    """Images per second of several processes together that share the device."""
    found, context = {}, multiprocessing.get_context("spawn")
    for name, (processes, recipe) in PACKED.items():
        together, ends = context.Barrier(processes), context.Queue()
        started = [
            context.Process(target=train_beside_others, args=(network, recipe, size, together, ends))
            for _ in range(processes)
        ]
        for process in started:
            process.start()
        spans = [ends.get(timeout=120) for _ in started]
        for process in started:
            process.join()
        seconds = max(end for _, end in spans) - min(start for start, _ in spans)
        found[name] = processes * EPOCHS_TIMED * size.images / seconds
    return found


def train_beside_others(network: str, recipe: Mapping[str, Any], size: Size, together: Barrier, ends: Any) -> None:
    """Train in this process when all others are ready; puts the start and the end, which all clocks here agree on."""
    prepare_process(1)
    epoch = our_way(network, recipe, DeviceDataset(noise_images(size.images), size.device))
    for _ in range(EPOCHS_WARM):
        epoch()
    together.wait(timeout=120)
    started = time.monotonic()
    for _ in range(EPOCHS_TIMED):
        epoch()
    ends.put((started, time.monotonic()))


def table(network: str, speeds: Mapping[str, float]) -> str:
    """The speeds of a network, and their ratios to three of them."""
    columns = ("plain", "plain_loop", "airbench")
    lines = [f"{network:<20}{'images/s':>12}" + "".join(f"{f'/ {name}':>15}" for name in columns)]
    for name, speed in speeds.items():
        lines.append(f"{name:<20}{speed:>12,.0f}" + "".join(f"{speed / speeds[other]:>15.2f}" for other in columns))
    return "\n".join(lines)


@private_compiler_caches()
def main() -> None:
    """Measure everything and print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=100, help="in an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    size = Size(**vars(parser.parse_args()))
    if size.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA device: this machine has none")
    prepare_process(1)
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for network in NETWORKS:
        speeds = in_turns(network, size) | packed(network, size)
        print(table(network, speeds), end="\n\n", flush=True)
        figures |= {f"{network}_{name}_images_per_second": speed for name, speed in speeds.items()}
        ratios[f"{network}_plain_loop"] = speeds["plain"] / speeds["plain_loop"]
        ratios[f"{network}_airbench"] = speeds["graph_bf16"] / speeds["airbench"]
    device = torch.cuda.get_device_name() if size.device == "cuda" else size.device
    print_report(
        "gpu.training", ratios=ratios, figures={**figures, "device": device}, packages=("torch", "torchvision")
    )


if __name__ == "__main__":
    main()
