"""What tuning chose for each group, and what became of the other candidates."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pandas as pd

from analysis.recipes import tuned_sentences
from analysis.records import Record
from analysis.study import Study
from analysis.tables.differences import named_table
from analysis.tables.numbers import count, number
from analysis.tables.table import Column, Entry, Table, text_column, word
from analysis.tuning.budgets import first_rung_accuracies, first_rung_words
from analysis.tuning.groups import PLACE, TunedGroup

HELD_OUT = "Chosen by images that are held out from the training images: no test image was looked at."

_ENDINGS = ("stopped", "diverged", "failed")

_COLUMNS = (
    text_column("Chosen"),
    Column(name="Accuracy", group="Validation of the chosen (%)", key="validation_accuracy", unit="%"),
    Column(name="at epoch", group="Validation of the chosen (%)", key="epoch"),
    Column(name="all", group="Candidates", key="candidates"),
    *(Column(name=name, group="Candidates", key=name) for name in _ENDINGS),
    Column(name="First rung (%)", parts=("min", "median", "max"), key="first_rung", unit="%"),
    Column(name="Epochs"),
)


def tuning_tables(study: Study) -> list[Table]:
    """A row per group of candidates; no table without runs that tune."""
    groups = study.results.tuned
    if not groups:
        return []
    frame = pd.DataFrame([group.place for group in groups], columns=["run", *PLACE])
    frame["group"] = pd.Series(list(groups), dtype=object)
    return [named_table(frame, "What tuning chose", _COLUMNS, _row, tuple(_notes(study)))]


def _row(record: Record) -> tuple[Entry, ...]:
    group: TunedGroup = record["group"]
    winner = group.winner
    known = [value for value in first_rung_accuracies(group.candidates) if value is not None]
    return (
        word(winner.name if winner else "none: no candidate has a result" if group.halving.decided else "none yet"),
        number(value, 2) if winner and (value := winner.accuracy(winner.rungs)) is not None else Entry(),
        count(group.rungs[winner.rungs - 1]) if winner else Entry(),
        count(len(group.candidates)),
        *(count(group.count(name)) for name in _ENDINGS),
        _spread(known),
        count(sum(candidate.epochs for candidate in group.candidates)),
    )


def _spread(values: list[float]) -> Entry:
    if not values:
        return Entry()
    spread = (min(values), statistics.median(values), max(values))
    return Entry(parts=tuple(f"{value:.2f}" for value in spread), values=spread, joint=" / ")


def _notes(study: Study) -> Iterator[str]:
    groups = study.results.tuned
    yield from tuned_sentences(study)
    yield HELD_OUT
    yield (
        "Validation of the chosen: in the mean over the seeds of tuning, at the last rung that it reached. It is the "
        "highest of several, and so likely too high; the comparison is trained with other seeds."
    )
    yield f"First rung: lowest, median and highest accuracy of the candidates {first_rung_words(groups)}."
    yield (
        "Each candidate counts once among stopped (it lost at a rung), diverged and failed. Epochs: those of all "
        "candidates; what failed attempts trained is not known."
    )
    if open_ := sum(group.winner is None for group in groups):
        yield f"Groups without a chosen candidate: {open_} of {len(groups)}. What they are for is missing until then."
