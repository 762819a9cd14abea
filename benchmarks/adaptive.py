"""Adaptive seeds beside a fixed number of seeds, on simulated studies with the paper's means and standard deviations.

    python -m benchmarks.adaptive

A study is the paper's: two models on four data sets, each with base and five templates, 40 comparisons. One is settled
by a verdict that is not `undecided`. The fixed designs are tested in the same way, with one look. Of these, the one of
equal power is the smallest that settles as much. The figures are counts, and depend on no machine.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from analysis.statistics.arrays import Values
from analysis.statistics.sequential.looks import planned_looks, progress
from benchmarks.report import print_report
from fdt_core.matching.paper_tables import PAPER_DATASETS, published_rows
from fdt_core.results.keys import BASE
from fdt_core.results.looks import Family

LOOKS = (3, 5, 8, 12, 20)
MARGINS = (0.5, 1.0)
FAMILIES: tuple[Family, ...] = ("study", "block")
STUDIES = 100


@dataclass(frozen=True, kw_only=True)
class Design:
    """What studies of one design come to: the part of comparisons settled, and the trainings per model and data set."""

    settled: float
    trainings: float


def main() -> None:
    """Compare the designs for each family of the error and each margin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=STUDIES, help="simulated studies for each design")
    studies = parser.parse_args().studies
    ratios: dict[str, float] = {}
    figures: dict[str, float | int | str] = {"looks": " ".join(map(str, LOOKS)), "studies": studies}
    for family, margin in product(FAMILIES, MARGINS):
        name = f"{family}_margin_{margin:g}"
        adaptive = simulated_study(LOOKS, margin, studies=studies, family=family)
        fixed = {
            seeds: simulated_study((seeds,), margin, studies=studies, family=family)
            for seeds in range(LOOKS[0], LOOKS[-1] + 1)
        }
        equal = min((seeds for seeds, design in fixed.items() if design.settled >= adaptive.settled), default=LOOKS[-1])
        ratios[f"{name}_trainings"] = fixed[equal].trainings / adaptive.trainings
        figures[f"{name}_saved_percent"] = 100 * (1 - adaptive.trainings / fixed[equal].trainings)
        figures[f"{name}_seeds_of_equal_power"] = equal
        figures[f"{name}_settled_percent"] = 100 * adaptive.settled
        figures[f"{name}_trainings_per_block"] = adaptive.trainings
        figures[f"{name}_power_percent_of_20_seeds"] = 100 * adaptive.settled / fixed[LOOKS[-1]].settled
        for seeds in LOOKS:
            figures[f"{name}_settled_percent_by_{seeds}_seeds"] = 100 * fixed[seeds].settled
    print_report("adaptive", ratios=ratios, figures=figures, packages=("numpy", "scipy"))


@cache
def paper_blocks() -> tuple[tuple[Values, Values], ...]:
    """The means and standard deviations of base and the templates, for each model and data set of the paper."""
    rows = published_rows()
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        of_model = [row for row in rows if row.model == model]
        of_model.sort(key=lambda row: (row.template != BASE, row.template))
        for dataset in PAPER_DATASETS:
            cells = [row.accuracy[dataset] for row in of_model]
            found.append((np.array([cell.mean for cell in cells]), np.array([cell.std for cell in cells])))
    return tuple(found)


def simulated_study(seeds: tuple[int, ...], margin: float, *, studies: int, family: Family = "study") -> Design:
    """The mean over simulated studies with looks at these numbers of seeds."""
    blocks = paper_blocks()
    templates = len(blocks[0][0]) - 1
    looks = planned_looks(seeds, margin=margin, error=0.05, templates=templates, blocks=len(blocks), family=family)
    settled = trainings = 0
    for number, (means, deviations) in enumerate(blocks):
        random = np.random.default_rng(number)
        for _ in range(studies):
            noise = random.normal(size=(len(means), LOOKS[-1]))[:, : seeds[-1]]  # the same for all designs
            accuracies = means[:, np.newaxis] + deviations[:, np.newaxis] * noise
            found = progress(accuracies, np.ones(accuracies.shape, dtype=np.bool_), looks)
            settled += len({each.template for each in found.decisions if not each.is_open})
            trainings += int(found.wanted.sum())
    count = studies * len(blocks)
    return Design(settled=settled / (count * templates), trainings=trainings / count)


if __name__ == "__main__":
    main()
