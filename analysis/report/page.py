"""The contents of the report, in order."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from plotly.offline import get_plotlyjs

from analysis.failures import failures_by_signature
from analysis.records import Record, records
from analysis.rendering.html import environment
from analysis.report.curve_data import curve_data
from analysis.report.drawings import Plot
from analysis.report.packing import packed, packed_json
from analysis.report.plots import plots
from analysis.report.provenance import provenance_table, reproduction
from analysis.report.resources import resource_tables
from analysis.report.summary import summary
from analysis.report.table_data import PAGE_ROWS, PageTable
from analysis.report.tuning_plots import tuning_plots
from analysis.report.verdict import model_verdicts
from analysis.study import Study
from analysis.tables import Layout, former_tables, tables
from analysis.tables.table import Table
from analysis.tables.trials import trial_table

SECTIONS = {
    "comparison": "Comparison",
    "verdicts": "Verdicts",
    "differences": "Differences",
    "decisions": "Adaptive seeds",
    "ranks": "Ranks",
    "across": "Over data sets",
    "published": "Published numbers",
}
"""The sections that consist of tables only, by the name of the table."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of tables, and of plots below them."""

    name: str
    heading: str
    tables: tuple[PageTable, ...]
    plots: tuple[Plot, ...] = ()


def render_page(study: Study, layout: Layout | None = None, *, former: bool = False) -> str:
    """The report of a study as one self-contained HTML document; with `former`, also the rows of former plans."""
    layout = replace(layout or Layout(), accuracy_first=True)
    drawn = plots(study)
    sections = [_section(name, heading, _tables(study, name, layout)) for name, heading in SECTIONS.items()]
    of_tuning = [*_tables(study, "tuning", layout), *_tables(study, "budgets", layout)]
    tuning = replace(_section("tuning", "Tuning", of_tuning), plots=tuple(tuning_plots(study)))
    needs = _section("needs", "Needs", _tables(study, "needs", layout))
    formers = _section("former", "Former plans", former_tables(study) if former else ())
    trials = _section("trials", "Trials", [trial_table(study)])
    resources = _section("resources", "Resources", resource_tables(study))
    provenance = _section("provenance", "Provenance", [provenance_table(study)])
    every = (needs, *sections, tuning, formers, trials, resources, provenance)
    return environment().get_template("report/page.html").render(
        title=" and ".join(study.results.paths),
        verdicts=model_verdicts(study),
        summary=summary(study),
        needs=needs,
        sections=[section for section in (*sections, tuning, formers) if section.tables],
        plots=drawn,
        templates=study.templates,
        page_rows=PAGE_ROWS,
        drawings={plot.name: packed_json(plot.drawings) for plot in (*drawn, *tuning.plots)},
        table_data=packed_json({table.name: table.data() for section in every for table in section.tables}),
        trials=trials,
        curves=curve_data(study),
        failures=[_with_command(failure) for failure in records(failures_by_signature(study.results.trials))],
        resources=resources,
        provenance=provenance,
        reproduction=reproduction(study),
        notes=study.results.notes if former else (*study.results.notes, *study.results.left_out),
        plotly=_plotly(),
    )  # fmt: skip


@cache
def _plotly() -> str:
    """The plotting library, packed."""
    return packed(get_plotlyjs())


def _with_command(failure: Record) -> Record:
    return failure | {"command": shlex.join(["fdt-sweep", "logs", failure["run"], failure["trial_id"]])}


def _section(name: str, heading: str, of_section: Iterable[Table]) -> Section:
    """The tables numbered from 1; a table that is alone needs no number."""
    found = list(of_section)
    names = [f"{name}-table"] if len(found) == 1 else [f"{name}-table-{number}" for number in range(1, len(found) + 1)]
    numbered = tuple(PageTable(name=each, whole=table) for each, table in zip(names, found, strict=True))
    return Section(name=name, heading=heading, tables=numbered)


def _tables(study: Study, name: str, layout: Layout) -> list[Table]:
    """The tables with this name that have rows."""
    return [table for table in tables(study, name, layout) if table.rows]
