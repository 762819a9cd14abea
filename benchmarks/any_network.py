"""Trace networks by name and match them to budgets, or bisect the library's own width argument and count with fvcore.

    python -m benchmarks.any_network

The alternative is what one does today for a network that has such an argument: rebuild it at each step, and count it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from benchmarks.report import interleaved_seconds, print_report
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import match
from fdt_core.model_definition import ModelDefinition
from fdt_core.models import find_model
from fdt_core.templates import template
from fdt_core.tracing.traced_network import accepted_trace

ROUNDS = 3
IMAGE = ImageShape(size=64)
NETWORKS = (
    *("resnet18", "resnet50", "vgg16_bn", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "densenet121"),
    *("regnet_y_400mf", "regnet_x_800mf", "convnext_tiny", "shufflenet_v2_x1_0", "squeezenet1_1", "googlenet"),
    *("mnasnet1_0", "wide_resnet50_2", "resnext50_32x4d"),
)
"""Of torchvision, which every installation has."""

STUDY = """
name: zoo
models: [torchvision/resnet50, torchvision/mobilenet_v2, torchvision/convnext_tiny, torchvision/efficientnet_b0,
         torchvision/regnet_y_400mf, torchvision/densenet121]
templates: [base, a, b, c, d, e]
datasets: [cifar10, cifar100, cinic10, tinyimagenet]
seeds: 10
"""


def _definition(name: str) -> ModelDefinition:
    return ModelDefinition(name=f"torchvision/{name}")


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def matched(name: str, rule: str, target: str) -> int | None:
    """The n at which a network with uniform filters meets a budget of MACs."""
    budget = Budget(metric="macs", target=target)
    return match(find_model(_definition(name)), template(rule), image=IMAGE, width=1.0, budget=budget).n


def halved_by_width_argument(name: str, argument: str, largest: int, unit: float) -> int:
    """The largest k for which the library's network with `argument` k * unit has at most half of its MACs."""
    from torchvision import models

    builder = models.get_model_builder(name)
    whole: Callable[[int], object] = (lambda k: k * unit) if unit < 1 else (lambda k: int(k * unit))

    def macs(network: nn.Module) -> float:
        images = torch.zeros(1, IMAGE.channels, IMAGE.size, IMAGE.size)
        analysis = FlopCountAnalysis(network.eval(), images)
        return float(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())

    target, low, high = macs(builder(weights=None, num_classes=10)) / 2, 1, largest
    while high - low > 1:
        middle = (low + high) // 2
        if macs(builder(weights=None, num_classes=10, **{argument: whole(middle)})) > target:
            high = middle
        else:
            low = middle
    return low


ALTERNATIVES: Mapping[str, tuple[str, int, float]] = {
    "mobilenet_v2": ("width_mult", 100, 0.01),
    "mobilenet_v3_large": ("width_mult", 100, 0.01),
    "resnet50": ("width_per_group", 64, 1),
}
"""Networks with a width argument: its name, and its base value as a multiple of a unit."""


def planning_seconds(cache: Path, study: Path) -> float:
    """Seconds of the command that plans the study, in a process of its own."""
    command = [sys.executable, "-m", "orchestrator", "plan", str(study), "--runs-dir", str(cache / "runs")]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return _seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=environment))


def main() -> None:
    """Trace and match in this process, on one thread; plan a study with and without stored traces."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_CACHE_HOME"] = directory
        traces = {name: _seconds(partial(accepted_trace, _definition(name), IMAGE)) for name in NETWORKS}
        for name in NETWORKS:
            matched(name, "b", "base")  # stores the trace
        matches = [_seconds(partial(matched, name, rule, "base")) for name in NETWORKS for rule in "abcde"]
        first_match, further_match = [], []
        for name, width_argument in ALTERNATIVES.items():
            candidates: dict[str, Callable[[], object]] = {
                "traced": partial(matched, name, "b", "0.5 x base"),
                "rebuilt": partial(halved_by_width_argument, name, *width_argument),
            }
            seconds = interleaved_seconds(candidates, rounds=ROUNDS)
            ours, theirs = median(seconds["traced"]), median(seconds["rebuilt"])
            first_match.append(theirs / (traces[name] + ours))
            further_match.append(theirs / ours)
    study_from_nothing, study_from_store = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as directory:
            study = Path(directory) / "zoo.yaml"
            study.write_text(STUDY)
            study_from_nothing.append(planning_seconds(Path(directory), study))
            study_from_store.append(planning_seconds(Path(directory), study))
    print_report(
        "any_network",
        ratios={
            "width_argument_and_fvcore_first_match": median(first_match),
            "width_argument_and_fvcore_further_match": median(further_match),
        },
        figures={
            "trace_seconds_median": median(traces.values()),
            "trace_seconds_largest": max(traces.values()),
            "match_milliseconds_median": 1e3 * median(matches),
            "match_milliseconds_largest": 1e3 * max(matches),
            "plan_seconds_from_nothing": median(study_from_nothing),
            "plan_seconds_from_stored_traces": median(study_from_store),
            "planned_trials": 6 * 6 * 4 * 10,
            "networks": len(NETWORKS),
            "rounds": ROUNDS,
        },
        packages=("torch", "torchvision", "fvcore"),
    )


if __name__ == "__main__":
    main()
