"""The tables of a study, as plain data; `analysis.rendering` turns them into text and other formats."""

from __future__ import annotations

from collections.abc import Callable

from analysis.study import Study
from analysis.tables.cells import cell_table
from analysis.tables.comparison import Layout, comparison
from analysis.tables.differences import difference_tables
from analysis.tables.failures import failure_tables
from analysis.tables.former import former_tables
from analysis.tables.needs import needs_tables
from analysis.tables.published import published_tables
from analysis.tables.ranks import rank_tables
from analysis.tables.table import Table
from fdt_core.errors import unknown_name

__all__ = ["TABLES", "Layout", "Table", "former_tables", "tables"]

TABLES: dict[str, Callable[[Study, Layout], list[Table]]] = {
    "comparison": comparison,
    "published": published_tables,
    "differences": lambda study, _: difference_tables(study),
    "needs": lambda study, _: needs_tables(study),
    "ranks": lambda study, _: rank_tables(study),
    "failures": lambda study, _: failure_tables(study),
    "cells": lambda study, layout: [cell_table(study, layout)],
}
"""Every table, by its name."""


def tables(study: Study, name: str = "comparison", layout: Layout | None = None) -> list[Table]:
    """The tables with this name, or `all`; UsageError with the known names if it is unknown."""
    if name == "all":
        return [table for make in TABLES.values() for table in make(study, layout or Layout())]
    if name not in TABLES:
        raise unknown_name("table", name, [*TABLES, "all"])
    return TABLES[name](study, layout or Layout())
