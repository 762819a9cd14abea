"""The table of what a study's data sets say about others like them."""

from __future__ import annotations

from analysis.keys import OVER_DATASETS, over_datasets_title
from analysis.records import Record, records
from analysis.statistics.across_datasets import LEAST_DATASETS, differences_across_datasets
from analysis.study import Study
from analysis.tables.differences import interval
from analysis.tables.numbers import count, number
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.quantities import points
from fdt_core.results.keys import BASE

_COLUMNS = (
    text_column("Template"),
    Column(name="Difference", unit="points"),
    Column(name="95 % interval", parts=("low", "high"), key="interval", unit="points"),
    Column(name="Data sets", key="datasets"),
    Column(name="Spread", unit="points"),
    Column(name="On another data set", parts=("low", "high"), key="another", unit="points"),
    text_column("Verdict"),
)


def across_tables(study: Study) -> list[Table]:
    """A table per run and variant: each template against base for data sets like those of the study."""
    found = differences_across_datasets(study.accuracies, study.question)
    several = study.cells["run"].nunique() > 1
    title = f"Accuracy minus {BASE}'s on data sets like these"
    return [
        Table(
            title=over_datasets_title(run, variant, title, several_runs=several),
            columns=_COLUMNS,
            rows=tuple(map(_row, records(rows))),
            notes=(
                f"A random-effects analysis over data sets, the models of each averaged; at least {LEAST_DATASETS} are "
                "needed on which every model has the template. Difference: the mean over all such data sets, with an "
                f"interval that holds for the whole table at once; margin {points(study.question.margin)}. Spread: "
                "standard deviation of the true difference between data sets. On another data set: where its true "
                "difference lies with 95 % confidence.",
                "It assumes that the data sets are a sample of those that one cares about, and that true differences "
                "are normal. With few data sets, the interval is wide because little is known.",
            ),
        )
        for (run, variant), rows in found.groupby(OVER_DATASETS, sort=False)
    ]


def _row(record: Record) -> tuple[Entry, ...]:
    return (
        word(record["template"]),
        number(record["difference"], 2, signed=True),
        interval(record["low"], record["high"]),
        count(record["datasets"]),
        number(record["spread"], 2),
        interval(record["new_low"], record["new_high"]),
        word(record["verdict"]),
    )
