"""The table of mean ranks over data sets."""

from __future__ import annotations

import numpy as np

from analysis.keys import OVER_DATASETS, over_datasets_title
from analysis.statistics.ranks import LEAST_DATASETS, RankAnalysis, rank_analysis
from analysis.study import Study
from analysis.tables.numbers import p_text
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.quantities import counted, listed

MOST_NAMES = 12
"""Most names in one entry; of the rest, only the number is shown."""


def rank_tables(study: Study) -> list[Table]:
    """A table per run and variant: the templates by mean rank of accuracy over data sets, models averaged."""
    several = study.cells["run"].nunique() > 1
    return [
        _table(rank_analysis(cells), over_datasets_title(run, variant, "Mean ranks", several_runs=several))
        for (run, variant), cells in study.cells.groupby(OVER_DATASETS)
    ]


def _table(analysis: RankAnalysis, title: str) -> Table:
    best = analysis.mean_ranks.min()
    rows = [
        (word(str(template)), Entry(parts=(f"{rank:.2f}",), values=(float(rank),), best=rank == best), word(alike))
        for (template, rank), alike in zip(analysis.mean_ranks.items(), _alike(analysis), strict=True)
    ]
    columns = (text_column("Template"), Column(name="Mean rank"), text_column("Not separated from"))
    shown = columns if analysis.critical_difference is not None else columns[:2]
    return Table(
        title=f"{title} over {counted(analysis.datasets, 'data set')} (rank 1 = highest accuracy)",
        columns=shown,
        rows=tuple(row[: len(shown)] for row in rows),
        notes=tuple(_notes(analysis)),
    )


def _alike(analysis: RankAnalysis) -> list[str]:
    """For each template, the others whose mean rank is within the critical difference of its own."""
    names, ranks = analysis.mean_ranks.index.to_numpy(), analysis.mean_ranks.to_numpy()
    near = np.abs(ranks[:, np.newaxis] - ranks) <= (analysis.critical_difference or 0.0)
    np.fill_diagonal(near, False)
    return [listed(names[row], MOST_NAMES) for row in near]


def _notes(analysis: RankAnalysis) -> list[str]:
    notes = (
        [f"Blocks left out, because they lack a template or also compare recipes: {analysis.left_out}."]
        if analysis.left_out
        else []
    )
    notes.append("The accuracies of the models on a data set are averaged first: they share its images.")
    if analysis.p is None:
        return [
            *notes,
            f"Not tested: a test needs at least {LEAST_DATASETS} data sets, and three templates that do not all rank "
            "equally.",
        ]
    friedman = f"Friedman's test that all templates rank equally (by permutation): p {p_text(analysis.p)}."
    if analysis.critical_difference is None:
        return [*notes, f"{friedman} So no two of them are compared."]
    return [
        *notes,
        f"{friedman} Mean ranks differ if more than {analysis.critical_difference:.2f} apart (Nemenyi, 5 %).",
    ]
