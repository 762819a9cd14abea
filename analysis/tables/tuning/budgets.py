"""Which template does best at which tuning budget."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.keys import BLOCK, block_title, dataset_order, template_order
from analysis.records import Record, records
from analysis.study import Study
from analysis.tables.differences import interval
from analysis.tables.numbers import count, number
from analysis.tables.table import Column, Entry, Table, text_column, word
from analysis.tuning.budgets import first_rung_words, shown_budgets
from fdt_core.results.keys import BASE

_COLUMNS = (
    text_column("Data set", key="dataset"),
    Column(name="Candidates"),
    text_column("Template"),
    Column(name="Expected best (%)", unit="%"),
    Column(name="95 % interval", parts=("low", "high"), key="interval", unit="%"),
    Column(name="Difference", group=f"To {BASE}", key="difference", unit="points"),
    Column(name="95 % interval", group=f"To {BASE}", parts=("low", "high"), key="difference_interval", unit="points"),
)


def budget_tables(study: Study) -> list[Table]:
    """A table per run, model, width and variant: what each number of candidates would find with each template.

    No table without runs that tune, or before all candidates of a group have ended their first rung.
    """
    several = len(study.results.paths) > 1
    notes = tuple(budget_notes(study))
    return [
        Table(
            title=f"{block_title(run, model, width, variant, several_runs=several)}: expected best validation accuracy "
            "by the number of candidates",
            columns=_COLUMNS,
            rows=tuple(map(_row, _shown(records(rows)))),
            notes=notes,
        )
        for (run, model, width, variant), rows in study.budgets.groupby(BLOCK, sort=True)
    ]


def _shown(rows: list[Record]) -> list[Record]:
    """The rows of the budgets to show, in reading order."""
    shown = shown_budgets(max(row["candidates"] for row in rows))
    datasets, templates = (
        {name: place for place, name in enumerate(order(row[column] for row in rows))}
        for order, column in ((dataset_order, "dataset"), (template_order, "template"))
    )
    return sorted(
        (row for row in rows if row["candidates"] in shown),
        key=lambda row: (datasets[row["dataset"]], row["candidates"], templates[row["template"]]),
    )


def _row(row: Record) -> tuple[Entry, ...]:
    return (
        word(row["dataset"]),
        count(row["candidates"]),
        word(row["template"]),
        number(row["expected"], 2, best=row["best"]),
        Entry(parts=(f"{row['low']:.2f}", f"{row['high']:.2f}"), values=(row["low"], row["high"]), joint=" .. "),
        number(row["difference"], 2, signed=True),
        Entry() if math.isnan(row["difference"]) else interval(row["difference_low"], row["difference_high"]),
    )


def budget_notes(study: Study) -> Iterator[str]:
    """How the numbers are estimated, and what their intervals cover."""
    groups = study.results.tuned
    yield (
        "Expected best: the highest validation accuracy of so many candidates, in the mean over all choices of them "
        "from those drawn. That is unbiased (Tang et al., 2020); choices with replacement (Dodge et al., 2019) would "
        f"find too little. Accuracies are those {first_rung_words(groups)}, on held-out images."
    )
    yield (
        "A candidate that diverged or was given up before counts like the worst of the model and data set, of any "
        "template."
    )
    yield (
        "Intervals: from resamples of the candidates (bootstrap), the same ones for all templates; each is for its "
        "number alone. They say how much other candidates, drawn alike, would change it; not other seeds or images. "
        "They are poor near all candidates: in simulations they hold in about 90 of 100 cases up to a quarter of the "
        "candidates, and in about 75 for all of them."
    )
    if sizes := sorted({group.tuning.tpe.batch for group in groups if group.tuning.tpe}):
        yield (
            f"Of candidates sampled by TPE, only the first {' or '.join(map(str, sizes))} count, which were drawn at "
            "random: the others were chosen by scores, for each template by its own."
        )
    if any(not group.tuning.every_template for group in groups):
        yield f"Only {BASE} was tuned: how other templates depend on the number of candidates is unknown."
