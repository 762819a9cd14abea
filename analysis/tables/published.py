"""The study's numbers next to those that the paper prints."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy import stats

from analysis.costs import COSTS
from analysis.keys import template_order
from analysis.records import Record, by_template
from analysis.statistics.paired import holm
from analysis.statistics.simultaneous import CONFIDENCE
from analysis.study import Study
from analysis.tables.comparison import Layout, absence, latency_notes
from analysis.tables.numbers import mean_and_std, number
from analysis.tables.table import Column, Entry, Table, text_column, transposed, word
from fdt_core.matching.paper_tables import PAPER_DATASETS, PublishedRow, published_rows

SEEDS = 3
"""Trainings behind each published mean."""

DIFFERS = "§"


def published_tables(study: Study, layout: Layout) -> list[Table]:
    """A table per published model at width 1: costs and accuracies, ours, the paper's, and the difference."""
    return [
        _table(study, title, cells, published, layout)
        for title, cells in study.blocks()
        if (published := _published(cells))
    ]


def _published(cells: pd.DataFrame) -> dict[str, PublishedRow]:
    """The published rows of the model of `cells`, by template."""
    model, width = cells["model"].iloc[0], cells["width"].iloc[0]
    present = set(cells["template"])
    rows = [row for row in published_rows() if row.model == model and width == 1 and row.template in present]
    return {row.template: row for row in rows}


def _table(study: Study, title: str, cells: pd.DataFrame, published: dict[str, PublishedRow], layout: Layout) -> Table:
    templates = template_order(published)
    datasets = [name for name in PAPER_DATASETS if (cells["dataset"] == name).any()]
    columns, entries = [text_column("Template")], [[word(template) for template in templates]]
    if datasets:
        first = cells[cells["dataset"] == datasets[0]].set_index("template")
        for name, printed in _printed_costs(published).items():
            if first[(cost := COSTS[name].of_paper()).column].notna().any():
                values = first[cost.column].reindex(templates)
                columns += [Column(group=cost.title, name=who, key=f"{cost.column}_{who}") for who in ("ours", "paper")]
                entries.append([number(value, cost.decimals, layout.rounding, scale=cost.scale) for value in values])
                entries.append(
                    [
                        Entry(parts=(printed[template],), values=(float(printed[template]) * cost.scale,))
                        for template in templates
                    ]
                )
    differing = _differing(cells, published, datasets)
    for dataset in datasets:
        columns += [Column(group=dataset, name=who, parts=("mean", "std"), unit="%") for who in ("ours", "paper")]
        columns.append(Column(group=dataset, name="Δ", key=f"{dataset}_difference", unit="points"))
        of_dataset = by_template(cells[cells["dataset"] == dataset])
        rows = [_accuracies(of_dataset, published[t], dataset, layout, (t, dataset) in differing) for t in templates]
        entries += [list(column) for column in zip(*rows, strict=True)]
    notes = (
        f"Accuracy (%): ours is of the {study.accuracy} epoch; the paper does not state its epoch, probably the best.",
        f"{DIFFERS} differs from the paper (Welch's test, with the paper's means and standard deviations of {SEEDS} "
        "trainings, Holm-corrected, 5 %); without the mark, nothing is shown either way.",
        "The paper truncates its costs. Its inference time is from other hardware, by a method that it does not state.",
        *latency_notes(cells, study.batch),
    )
    return Table(title=f"{title}: ours and the paper's", columns=tuple(columns), rows=transposed(entries), notes=notes)


def _printed_costs(published: dict[str, PublishedRow]) -> dict[str, dict[str, str]]:
    return {
        "params": {name: row.params_millions for name, row in published.items()},
        "memory": {name: row.memory_mb for name, row in published.items()},
        "latency": {name: f"{row.inference_ms:.2f}" for name, row in published.items()},
    }


def _accuracies(
    cells: dict[str, Record], row: PublishedRow, dataset: str, layout: Layout, differs: bool
) -> tuple[Entry, Entry, Entry]:
    """The study's entry, the paper's, and their difference."""
    theirs = row.accuracy[dataset]
    paper = Entry(parts=(f"{theirs.mean:.2f}", f"{theirs.std:.2f}"), values=(theirs.mean, theirs.std))
    cell = cells.get(row.template)
    if cell is None:
        return Entry(), paper, Entry()
    ours = mean_and_std(cell["mean"], cell["std"], layout.decimals, layout.rounding, absent=absence(cell))
    difference = number(cell["mean"] - theirs.mean, layout.decimals, signed=True, marks=DIFFERS * differs)
    return ours, paper, difference


def _differing(
    cells: pd.DataFrame, published: dict[str, PublishedRow], datasets: Sequence[str]
) -> set[tuple[str, str]]:
    """Templates and data sets whose accuracy differs from the published one."""
    tested = cells[cells["dataset"].isin(datasets) & cells["template"].isin(published) & (cells["done"] > 1)]
    if tested.empty:
        return set()
    keys = list(zip(tested["template"], tested["dataset"], strict=True))
    theirs = [published[template].accuracy[dataset] for template, dataset in keys]
    p = stats.ttest_ind_from_stats(
        *(tested[name].to_numpy(dtype=float) for name in ("mean", "std", "done")),
        [cell.mean for cell in theirs], [cell.std for cell in theirs], SEEDS, equal_var=False,
    ).pvalue  # fmt: skip
    rejected = holm(p) <= 1 - CONFIDENCE
    return {key for key, differs in zip(keys, rejected, strict=True) if differs}
