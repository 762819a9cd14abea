"""All trials in one table."""

from __future__ import annotations

from analysis.records import Record, records
from analysis.study import Study
from analysis.tables.cells import is_varied, name_columns, name_words
from analysis.tables.numbers import number
from analysis.tables.table import Column, Entry, Table, text_column, word

_COLUMNS = (
    Column(name="Seed"),
    text_column("Status"),
    Column(name="Final", group="Test accuracy (%)", unit="%"),
    Column(name="Best", group="Test accuracy (%)", unit="%"),
    Column(name="of epoch", group="Test accuracy (%)"),
    Column(name="Training (s)", unit="s"),
    Column(name="Attempt"),
    Column(name="Interruptions"),
    *map(text_column, ("Device", "Host")),
)


def trial_table(study: Study) -> Table:
    """A row per cell and seed, also for missing ones, in the order of `Study.outcomes`."""
    varied = is_varied(study.outcomes)
    return Table(
        title="Trials",
        columns=(text_column("Trial"), *name_columns(varied=varied), *_COLUMNS),
        rows=tuple(
            (word(trial["trial_id"]), *name_words(trial, varied=varied), *_row(trial))
            for trial in records(study.outcomes)
        ),
    )


def _row(trial: Record) -> tuple[Entry, ...]:
    places = (trial["device_name"], trial["hostname"])
    return (
        number(trial["seed"]),
        word(trial["status"]),
        number(trial["final_test_accuracy"], 2),
        number(trial["best_test_accuracy"], 2),
        number(trial["best_epoch"]),
        number(trial["train_seconds"], 1),
        number(trial["attempt"]),
        number(trial["interruptions"]),
        *(word(place) if isinstance(place, str) else Entry() for place in places),
    )
