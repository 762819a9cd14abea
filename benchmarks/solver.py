"""Match the paper's ten templates to their budgets, by layer plan or by building and counting torch models.

    python -m benchmarks.solver

The alternative is the obvious program: bisect n, build the torch model at each step, and count it with fvcore.
"""

from __future__ import annotations

from statistics import median

import torch
from fvcore.nn import FlopCountAnalysis

from benchmarks.report import interleaved_seconds, print_report
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import match
from fdt_core.networks.architectures import Architecture, architecture
from fdt_core.networks.build import build_model
from fdt_core.templates import Template, template

ROUNDS = 3
IMAGE = ImageShape()
CELLS = tuple((architecture(model), template(name)) for model in ("vgg19", "resnet50") for name in "abcde")


def match_by_plan() -> list[int | None]:
    """The ten values of n, by `match`."""
    budget = Budget()
    return [match(model, template, image=IMAGE, width=1.0, budget=budget).n for model, template in CELLS]


def match_by_torch() -> list[int]:
    """The ten values of n, by bisection over torch models counted with fvcore."""
    return [_bisect(model, template) for model, template in CELLS]


def _bisect(model: Architecture, template: Template) -> int:
    """The largest n up to 1,024 for which fvcore does not count more than for the base model."""
    target = _fvcore_count(model, model.base_widths)
    low, high = min(model.base_widths), 1024
    while high - low > 1:
        middle = (low + high) // 2
        if _fvcore_count(model, template.widths(model.base_widths, middle)) > target:
            high = middle
        else:
            low = middle
    return low


def _fvcore_count(model: Architecture, widths: tuple[int, ...]) -> float:
    network = build_model(model.plan(widths, width=1.0, image=IMAGE)).eval()
    images = torch.zeros(1, IMAGE.channels, IMAGE.size, IMAGE.size)
    analysis = FlopCountAnalysis(network, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return float(analysis.total())


def main() -> None:
    """Measure both in turn, on one thread, so that a busy machine does not slow torch out of proportion."""
    torch.set_num_threads(1)
    seconds = interleaved_seconds({"plan": match_by_plan, "torch": match_by_torch}, rounds=ROUNDS)
    ours, theirs = median(seconds["plan"]), median(seconds["torch"])
    print_report(
        "solver",
        ratios={"torch_fvcore_bisection": theirs / ours},
        figures={
            "plan_milliseconds_ten_rows": 1e3 * ours,
            "plan_milliseconds_ten_rows_slowest_round": 1e3 * max(seconds["plan"]),
            "torch_seconds_ten_rows": theirs,
            "rounds": ROUNDS,
        },
        packages=("torch", "fvcore"),
    )


if __name__ == "__main__":
    main()
