"""Tables as HTML."""

from __future__ import annotations

import itertools

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from analysis.tables.table import Table


def as_html(table: Table) -> str:
    """The table as an HTML `table` element with caption and notes."""
    return environment().get_template("table.html").render(table=table)


def group_spans(table: Table) -> list[tuple[str, int]]:
    """The headings over groups of columns and the columns each spans; empty if no column has a group."""
    spans = [(group, len(list(same))) for group, same in itertools.groupby(c.group for c in table.columns)]
    return spans if any(group for group, _ in spans) else []


def as_html_document(tables: str) -> str:
    """HTML tables as a whole document."""
    return environment().get_template("tables.html").render(tables=Markup(tables))


def environment() -> Environment:
    """The environment of the HTML templates; values are escaped."""
    env = Environment(
        loader=PackageLoader("analysis", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    env.globals["group_spans"] = group_spans
    return env
