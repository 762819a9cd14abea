"""The table of the best template for each need."""

from __future__ import annotations

from analysis.needs import choices
from analysis.study import Study
from analysis.tables.table import Table, text_column, word

_COLUMNS = tuple(map(text_column, ("Need", "Template", "Reaches", "Against base", "How sure")))


def needs_tables(study: Study) -> list[Table]:
    """A table per run, model and width: the best template for each need, and how certain the choice is."""
    return [
        Table(
            title=f"{title}: which template for which need",
            columns=_COLUMNS,
            rows=tuple(
                tuple(map(word, (c.need, ", ".join(c.templates), c.value, c.against_base, c.certainty))) for c in found
            ),
            notes=(
                f"Accuracy of the {study.accuracy} epoch, on the seeds that both of two templates have. With 95 % "
                "confidence, the best template of every model is among those that may be (Hsu's multiple comparisons "
                "with the best), and no loss that is shown to be small is larger than the margin.",
            ),
        )
        for title, found in choices(study).items()
    ]
