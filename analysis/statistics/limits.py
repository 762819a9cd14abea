"""What the differences show and what they do not, in plain sentences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.differences import LEAST_PAIRS
from analysis.statistics.errors import variation_of_templates
from analysis.statistics.seeds_needed import POWER, detectable_effect
from analysis.statistics.verdicts import Verdict, is_separated
from fdt_core.quantities import counted, points

LEAST_P_ALIKE = 0.01
"""Templates are said to vary more than the others below this p."""


def statements(differences: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Sentences on a frame of `differences`: what is shown, what is not, and what that does not mean.

    Args:
        differences: as `analysis.statistics.differences.differences`.
        margin: the margin of its verdicts, in points.
    """
    tested = differences[differences["verdict"] != Verdict.UNTESTED]
    if differences.empty:
        return ("There is nothing to compare: no cell has a partner.",)
    if tested.empty:
        return (_untested(differences),)
    sentences = [_found(tested, margin), _errors(tested), _sensitivity(tested)]
    if len(tested) < len(differences):
        sentences.append(_untested(differences))
    if (tested["verdict"] == Verdict.UNDECIDED).any():
        sentences.append(
            "'Undecided' does not mean equal: the interval neither rules out a loss beyond the margin nor shows one."
        )
    sentences.append(
        "Intervals and tests are about other seeds. Other test images or training choices may make a larger difference."
    )
    return tuple(sentences)


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


def _found(tested: pd.DataFrame, margin: float) -> str:
    counts = tested["verdict"].value_counts()
    found = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts.get(verdict))
    separated = int(is_separated(tested).sum())
    return (
        f"Of {counted(len(tested), 'difference')}: {found}, with a margin of {points(margin)}; {separated} separated "
        "from zero. All intervals hold together with 95 % confidence (Dunnett's test, corrected for the whole table)."
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
    unlike = int(untested["unlike"].sum())
    few = int((untested["pairs"][~untested["unlike"]] < LEAST_PAIRS).sum())
    flat = len(untested) - few - unlike
    reasons = [f"{unlike} between cells that were trained by different recipes or on different data"] if unlike else []
    reasons += [f"{few} with fewer than two seeds in common"] if few else []
    reasons += [f"{flat} on data sets where all seeds differ by the same amount, as on small test sets"] if flat else []
    return f"Not tested: {'; '.join(reasons)}."
