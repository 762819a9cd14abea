"""What the differences show and what they do not, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.differences import LEAST_PAIRS
from analysis.statistics.errors import variation_of_templates
from analysis.statistics.seeds_needed import POWER, detectable_effect
from analysis.statistics.verdicts import Verdict, is_separated
from fdt_core.quantities import counted, points

NOT_CORRECTED = (
    "This does not allow for adaptive seeds, whose number depends on the accuracies: --table differences does, to base."
)
"""What tables say whose tests are for a number of seeds that was given in advance."""

LEAST_P_ALIKE = 0.01
"""Templates are said to vary more than the others below this p."""


def statements(differences: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Sentences on a frame of `differences`: what is shown, what is not, and what that does not mean.

    Args:
        differences: as `analysis.statistics.differences.differences`.
        margin: the margin of its verdicts, in points.
    """
    if differences.empty:
        return ("There is nothing to compare: no cell has a partner.",)
    with_looks = differences["look"].notna()
    kinds = [frame for frame in (differences[~with_looks], differences[with_looks]) if len(frame)]
    return (*(sentence for frame in kinds for sentence in _of_kind(frame, margin)), *_meaning(differences))


def _of_kind(differences: pd.DataFrame, margin: float) -> Iterator[str]:
    """What is found, and how certain it is, of runs that all have adaptive seeds, or all have not."""
    adaptive = bool(differences["look"].notna().all())
    tested = differences[differences["verdict"] != Verdict.UNTESTED]
    if len(tested):
        yield _found(tested, margin, _LOOKS_TOGETHER if adaptive else _ALL_TOGETHER)
        if adaptive:
            yield _paired_errors(tested)
        else:
            yield _errors(tested)
            yield _sensitivity(tested)
    if len(tested) < len(differences):
        yield _untested(differences)


_ALL_TOGETHER = "All intervals hold together with 95 % confidence (Dunnett's test, corrected for the whole table)."
_LOOKS_TOGETHER = (
    "Each interval is that of the last look with adaptive seeds: those of all looks at all comparisons of a run hold "
    "together with 95 % confidence (Lan and DeMets, 1983)."
)


def _meaning(differences: pd.DataFrame) -> Iterator[str]:
    """What the verdicts do not mean."""
    if (differences["verdict"] == Verdict.UNDECIDED).any():
        yield (
            "'Undecided' does not mean equal: the interval neither rules out a loss beyond the margin nor shows one."
        )
    if (differences["verdict"] != Verdict.UNTESTED).any():
        yield (
            "Intervals and tests are about other seeds. Other test images or training choices may make a larger "
            "difference."
        )


def uneven_templates(data: Accuracies) -> tuple[str, ...]:
    """A sentence if templates vary more than the others of their blocks, which the intervals do not allow for."""
    variation = variation_of_templates(data.comparable)
    noisy = [
        f"{name} ({ratio:.1f} times)"
        for name, ratio, p in zip(data.treatments, variation.ratio, variation.p, strict=True)
        if p < LEAST_P_ALIKE
    ]
    if not noisy:
        return ()
    return (
        f"Some templates vary more than the others from seed to seed: {', '.join(noisy)}. The intervals of their "
        "differences are too short (of all differences, if base is one); --table paired does not assume that all vary "
        "alike.",
    )


def _found(tested: pd.DataFrame, margin: float, together: str) -> str:
    counts = tested["verdict"].value_counts()
    found = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts.get(verdict))
    separated = int(is_separated(tested).sum())
    return (
        f"Of {counted(len(tested), 'difference')}: {found}, with a margin of {points(margin)}; {separated} separated "
        f"from zero. {together}"
    )


def _errors(tested: pd.DataFrame) -> str:
    """How much trainings vary, and how far the errors of the blocks count for each other."""
    blocks = tested.drop_duplicates(["own_error", "own_df"])
    low, high = f"{blocks['own_error'].min():.2f}", f"{blocks['own_error'].max():.2f}"
    beyond = "Beyond what its seed does to all templates alike, a training varies by"
    if len(blocks) == 1:
        return f"{beyond} {low} points (standard deviation, {blocks['own_df'].iloc[0]:.0f} degrees of freedom)."
    varies = f"{beyond} {low} to {high} points (standard deviations of the blocks)."
    prior = float(blocks["prior_df"].iloc[0])
    if math.isinf(prior):
        return (
            f"{varies} No difference between these was found, so they are pooled: {blocks['df'].min():.0f} degrees of "
            "freedom."
        )
    if not prior:
        return f"{varies} These have nothing in common: each block stands alone."
    return (
        f"{varies} These seem to differ: the estimate of each block is shrunk towards those of the others, which count "
        f"like {prior:.1f} degrees of freedom, its own like {blocks['own_df'].max():.0f}."
    )


def _paired_errors(tested: pd.DataFrame) -> str:
    """How much trainings vary in comparisons that each have an error of their own."""
    low, high = tested["error"].min(), tested["error"].max()
    return (
        f"In one comparison, a training varies by {low:.2f} to {high:.2f} points beyond what its seed does to both "
        "sides (standard deviations). Each comparison has its own error, shrunk towards the others of its block."
    )


def _sensitivity(tested: pd.DataFrame) -> str:
    """What this number of seeds can show at all."""
    seeds = int(tested["pairs"].median())
    one_sided = bool(np.isinf(tested["high"]).any())
    reach = f"{(tested['difference'] - tested['low']).median():.2f} points {'down' if one_sided else 'to each side'}"
    per_seed = float((tested["df"] / (tested["pairs"] - 1)).median())
    found = detectable_effect(seeds, df_per_seed=round(per_seed, 1), tests=len(tested)) * float(
        tested["error"].median()
    )
    shown = f"; a two-sided test finds true differences of {found:.2f} points with {100 * POWER:.0f} % certainty"
    only = " One-sided intervals have no upper limit: they rule losses out, and never find any." if one_sided else ""
    few = " Intervals from two seeds hold together in only about 90 of 100 studies if blocks vary differently."
    return (
        f"With {counted(seeds, 'seed')}, an interval reaches {reach} (medians){shown if math.isfinite(found) else ''}."
        f"{only}{few if tested['pairs'].min() == LEAST_PAIRS and tested['own_error'].nunique() > 1 else ''}"
    )


def _untested(differences: pd.DataFrame) -> str:
    untested = differences[differences["verdict"] == Verdict.UNTESTED]
    waiting = int((untested["look"] == 0).sum())
    untested = untested[untested["look"] != 0]
    unlike = int(untested["unlike"].sum())
    few = int((untested["pairs"][~untested["unlike"]] < LEAST_PAIRS).sum())
    flat = len(untested) - few - unlike
    no_look = f"{waiting} without a look (none was taken yet, or it was at another accuracy or at other seeds)"
    reasons = [no_look] if waiting else []
    reasons += [f"{unlike} between cells that were trained by different recipes or on different data"] if unlike else []
    reasons += [f"{few} with fewer than two seeds in common"] if few else []
    reasons += [f"{flat} on data sets where all seeds differ by the same amount, as on small test sets"] if flat else []
    return f"Not tested: {'; '.join(reasons)}."
