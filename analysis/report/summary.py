"""The summary below the verdict: the question, the results, and how certain they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pandas as pd

from analysis.keys import STATUSES, model_name
from analysis.recipes import tuned_sentences, unlike_runs, unlike_trainings
from analysis.statistics.limits import NOT_CORRECTED, statements, uneven_templates
from analysis.study import Study
from analysis.tables.verdicts import looks_sentences

MOST_SEEDS = 20
"""The most seeds that are named one by one."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The summary.

    Args:
        questions: the comment at the start of each run's sweep file, if there is one.
        asked: names and values of what the study varies.
        counts: number of trials by status.
        latest: when the last trial ended; empty if none has.
        certainty: sentences on what the seeds show about differences to base.
        between_runs: the same for the differences between runs; empty for one run.
        warnings: what a reader must know before comparing anything.
    """

    questions: tuple[str, ...]
    asked: dict[str, str]
    counts: dict[str, int]
    latest: str
    certainty: tuple[str, ...]
    between_runs: tuple[str, ...]
    warnings: tuple[str, ...]


def summary(study: Study) -> Summary:
    """The summary of a study."""
    several, margin = len(study.results.paths) > 1, study.question.margin
    between = (*unlike_runs(study), *statements(study.differences_between_runs, margin)) if several else ()
    if several and study.results.looks:
        between = (*between, NOT_CORRECTED)
    return Summary(
        questions=tuple(filter(None, map(opening_comment, study.results.paths.values()))),
        asked=_asked(study),
        counts={status: int((study.outcomes["status"] == status).sum()) for status in STATUSES}
        | {"spared": len(study.results.spared)},
        latest=_latest(study.results.trials),
        certainty=(
            *tuned_sentences(study),
            *looks_sentences(study),
            *statements(study.differences, margin),
            *(() if study.is_adaptive else uneven_templates(study.accuracies)),
        ),
        between_runs=between,
        warnings=tuple(unlike_trainings(study)),
    )


def opening_comment(run: Path) -> str:
    """The comment at the start of a run's sweep file: by convention, the question that it answers."""
    file = run / "sweep.yaml"
    if not file.is_file():
        return ""
    lines = takewhile(lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines())
    return " ".join(line.lstrip("# ").strip() for line in lines).strip()


def _asked(study: Study) -> dict[str, str]:
    outcomes = study.outcomes
    variants = list(dict.fromkeys(outcomes["variant"]))
    budgets = outcomes[["budget_metric", "budget_rule"]].drop_duplicates().dropna()
    return {
        "Models": ", ".join(dict.fromkeys(map(model_name, outcomes["model"], outcomes["width"]))),
        **({"Variants": ", ".join(filter(None, variants))} if any(variants) else {}),
        "Templates": ", ".join(study.templates),
        "Data sets": ", ".join(study.datasets),
        "Seeds": _seeds(sorted(outcomes["seed"].unique())),
        "Matched cost": "; ".join(f"{metric} ({rule})" for metric, rule in budgets.itertuples(index=False)),
        "Epochs": ", ".join(f"{epochs:.0f}" for epochs in sorted(outcomes["epochs"].dropna().unique())),
        "Accuracy": f"of the {study.accuracy} epoch",
    }


def _seeds(seeds: Sequence[int]) -> str:
    """The seeds; of many, the first, the last and their number."""
    if len(seeds) <= MOST_SEEDS:
        return ", ".join(map(str, seeds))
    return f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"


def _latest(trials: pd.DataFrame) -> str:
    last = trials["finished_at"].max() if len(trials) else pd.NaT
    return "" if pd.isna(last) else f"{last:%Y-%m-%d %H:%M} UTC"
