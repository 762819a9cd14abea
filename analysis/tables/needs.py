"""The table of the best template for each need."""

from __future__ import annotations

from analysis.needs import Amount, Choice, choices
from analysis.study import Study
from analysis.tables.comparison import latency_notes
from analysis.tables.table import Column, Entry, Table, text_column, word

_COLUMNS = (
    text_column("Need"),
    text_column("Template"),
    Column(name="Reaches", parts=("", "unit"), align="left"),
    Column(name="Against base", parts=("", "unit"), align="left"),
    text_column("How sure"),
)

_HSU = "Hsu's multiple comparisons with the best"
_LOOKS = f"{_HSU}; with adaptive seeds, by the intervals of the differences to base"


def needs_tables(study: Study) -> list[Table]:
    """A table per run, model, width and variant: the best template for each need, and how certain the choice is."""
    cells = dict(study.blocks())
    return [
        Table(
            title=f"{title}: which template for which need",
            columns=_COLUMNS,
            rows=tuple(map(_row, found)),
            notes=(
                f"Accuracy of the {study.accuracy} epoch, on the seeds that both of two templates have. The best of "
                "the tested templates is the one named or among those that may also be, for all models of the table at "
                f"once with 95 % confidence ({_LOOKS if study.results.looks else _HSU}). That no loss shown to be "
                "small is larger than the margin has its own 95 %.",
                *latency_notes(cells[title], study.batch),
            ),
        )
        for title, found in choices(study).items()
    ]


def _row(choice: Choice) -> tuple[Entry, ...]:
    return (
        word(choice.need),
        word(", ".join(choice.templates)),
        _entry(choice.reached),
        _entry(choice.change),
        word(choice.certainty),
    )


def _entry(amount: Amount | None) -> Entry:
    """An amount, with its unit as a part of its own for programs."""
    if amount is None:
        return Entry(parts=("",))
    return Entry(parts=(amount.text,), values=(amount.value, amount.unit))
