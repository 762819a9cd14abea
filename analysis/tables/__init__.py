"""The tables of a study, as plain data; `analysis.rendering` turns them into text and other formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from analysis.statistics.limits import NOT_CORRECTED
from analysis.study import Study
from analysis.tables.across import across_tables
from analysis.tables.cells import cell_table
from analysis.tables.comparison import Layout, comparison
from analysis.tables.differences import difference_tables, paired_tables
from analysis.tables.failures import failure_tables
from analysis.tables.former import former_tables
from analysis.tables.needs import needs_tables
from analysis.tables.published import published_tables
from analysis.tables.ranks import rank_tables
from analysis.tables.table import Table
from analysis.tables.tuning.budgets import budget_tables
from analysis.tables.tuning.chosen import tuning_tables
from analysis.tables.verdicts import decision_tables, verdict_tables
from fdt_core.errors import unknown_name

__all__ = ["TABLES", "Layout", "Table", "former_tables", "tables"]

TABLES: dict[str, Callable[[Study, Layout], list[Table]]] = {
    "comparison": comparison,
    "published": lambda study, layout: _uncorrected(study, published_tables(study, layout)),
    "verdicts": lambda study, _: verdict_tables(study),
    "differences": lambda study, _: difference_tables(study),
    "decisions": lambda study, _: decision_tables(study),
    "tuning": lambda study, _: tuning_tables(study),
    "budgets": lambda study, _: budget_tables(study),
    "paired": lambda study, _: _uncorrected(study, paired_tables(study)),
    "needs": lambda study, _: needs_tables(study),
    "ranks": lambda study, _: _uncorrected(study, rank_tables(study)),
    "across": lambda study, _: _uncorrected(study, across_tables(study)),
    "failures": lambda study, _: failure_tables(study),
    "cells": lambda study, layout: [cell_table(study, layout)],
}
"""Every table, by its name."""


def _uncorrected(study: Study, tables: list[Table]) -> list[Table]:
    """Tables whose tests do not allow for adaptive seeds, with a note that says so if there are any."""
    notes = (NOT_CORRECTED,) if study.results.looks else ()
    return [replace(table, notes=(*table.notes, *notes)) for table in tables]


def tables(study: Study, name: str = "comparison", layout: Layout | None = None) -> list[Table]:
    """The tables with this name, or `all`; UsageError with the known names if it is unknown."""
    if name == "all":
        return [table for each in TABLES for table in tables(study, each, layout)]
    if name not in TABLES:
        raise unknown_name("table", name, [*TABLES, "all"])
    return [replace(table, name=name) for table in TABLES[name](study, layout or Layout())]
