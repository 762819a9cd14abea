"""What the differences show and what they do not, in plain sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics.differences import BOOTSTRAP_FROM, CONFIDENCE, Verdict
from analysis.statistics.seeds_needed import POWER, detectable_effect


def statements(differences: pd.DataFrame) -> tuple[str, ...]:
    """Sentences on a frame of `paired_differences`: what is separated, what is not, and what that does not mean."""
    tested = differences[differences["verdict"] != Verdict.UNTESTED]
    if differences.empty:
        return ("There is nothing to compare: no cell has a partner.",)
    if tested.empty:
        return (_untested(differences),)
    sentences = [_separated(tested), _sensitivity(tested)]
    if len(tested) < len(differences):
        sentences.append(_untested(differences))
    if (tested["verdict"] == Verdict.NOT_SEPARATED).any():
        sentences.append(
            "'Not separated' does not mean equal: it means that these few seeds cannot tell the difference from chance."
        )
    if (tested["pairs"] >= BOOTSTRAP_FROM).any():
        sentences.append(f"Intervals of {BOOTSTRAP_FROM} or more seeds are bootstrapped (BCa), others are Student's t.")
    sentences.append(
        "Intervals and tests are about other seeds. Other test images or training choices may make a larger difference."
    )
    return tuple(sentences)


def _separated(tested: pd.DataFrame) -> str:
    counts = tested["verdict"].value_counts()
    above, below = int(counts.get(Verdict.ABOVE, 0)), int(counts.get(Verdict.BELOW, 0))
    found = (
        f"{above} above and {below} below zero are separated from zero"
        if above + below
        else "none is separated from zero"
    )
    return f"Of {len(tested)} differences, {found} (paired t tests, Holm-corrected over all {len(tested)}, level 5 %)."


def _sensitivity(tested: pd.DataFrame) -> str:
    """What this number of seeds can show at all."""
    seeds = int(tested["pairs"].min())
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)) / np.sqrt(seeds)
    found = detectable_effect(seeds)
    return (
        f"With {seeds} seeds a 95 % interval reaches {reach:.1f} standard deviations of the differences to each side, "
        f"and a single test finds with {100 * POWER:.0f} % certainty only differences above {found:.1f} of them. "
        "With the correction for many tests, differences must be even larger."
    )


def _untested(differences: pd.DataFrame) -> str:
    untested = differences[differences["verdict"] == Verdict.UNTESTED]
    unlike = int(untested["unlike"].sum())
    few = int((untested["pairs"][~untested["unlike"]] < 2).sum())
    flat = len(untested) - few - unlike
    reasons = [f"{unlike} between cells that were trained by different recipes or on different data"] if unlike else []
    reasons += [f"{few} with fewer than two seeds in common"] if few else []
    reasons += [f"{flat} whose seeds all differ by the same amount, as happens on small test sets"] if flat else []
    return f"Not tested: {'; '.join(reasons)}."
