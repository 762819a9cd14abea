"""The contents of the report, in order."""

from __future__ import annotations

from functools import cache

from plotly.offline import get_plotlyjs

from analysis.failures import failures_by_signature
from analysis.records import records
from analysis.rendering.html import environment
from analysis.report.curve_data import curve_data
from analysis.report.packing import packed
from analysis.report.plots import plots
from analysis.report.provenance import provenance_table, reproduction
from analysis.report.resources import resource_tables
from analysis.report.summary import summary
from analysis.study import Study
from analysis.tables import Layout, former_tables, tables
from analysis.tables.table import Table
from analysis.tables.trials import trial_table

SECTIONS = {
    "comparison": "Comparison",
    "verdicts": "Verdicts",
    "differences": "Differences",
    "ranks": "Ranks",
    "published": "Published numbers",
}
"""The sections that consist of tables only, by the name of the table."""


def render_page(study: Study, layout: Layout | None = None, *, former: bool = False) -> str:
    """The report of a study as one self-contained HTML document; with `former`, also the rows of former plans."""
    drawn = plots(study)
    sections = [(name, title, _tables(study, name, layout)) for name, title in SECTIONS.items()]
    if former:
        sections.append(("former", "Former plans", former_tables(study)))
    return environment().get_template("report.html").render(
        title=" and ".join(study.results.paths),
        summary=summary(study),
        needs=_tables(study, "needs", layout),
        sections=sections,
        plots=drawn,
        drawings={plot.name: plot.drawings for plot in drawn},
        trials=trial_table(study),
        curves=curve_data(study),
        failures=records(failures_by_signature(study.results.trials)),
        resources=resource_tables(study),
        provenance=provenance_table(study),
        reproduction=reproduction(study),
        notes=study.results.notes if former else (*study.results.notes, *study.results.left_out),
        plotly=_plotly(),
    )  # fmt: skip


@cache
def _plotly() -> str:
    """The plotting library, packed."""
    return packed(get_plotlyjs())


def _tables(study: Study, name: str, layout: Layout | None) -> list[Table]:
    """The tables with this name that have rows."""
    return [table for table in tables(study, name, layout) if table.rows]
