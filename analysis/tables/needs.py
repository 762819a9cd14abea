"""The table of the best template for each need."""

from __future__ import annotations

from analysis.needs import choices
from analysis.study import Study
from analysis.tables.comparison import latency_notes
from analysis.tables.table import Table, text_column, word

_COLUMNS = tuple(map(text_column, ("Need", "Template", "Reaches", "Against base", "How sure")))


def needs_tables(study: Study) -> list[Table]:
    """A table per run, model and width: the best template for each need, and how certain the choice is."""
    cells = dict(study.blocks())
    return [
        Table(
            title=f"{title}: which template for which need",
            columns=_COLUMNS,
            rows=tuple(
                tuple(map(word, (c.need, ", ".join(c.templates), c.value, c.against_base, c.certainty))) for c in found
            ),
            notes=(
                f"Accuracy of the {study.accuracy} epoch, on the seeds that both of two templates have. The best of "
                "the tested templates is the one named or among those that may also be, for all models of the table at "
                "once with 95 % confidence (Hsu's multiple comparisons with the best). That no loss shown to be small "
                "is larger than the margin has its own 95 %.",
                *latency_notes(cells[title], study.batch),
            ),
        )
        for title, found in choices(study).items()
    ]
