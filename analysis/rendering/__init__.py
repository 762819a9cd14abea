"""Tables as text, Markdown, LaTeX, CSV, HTML and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from analysis.rendering.csv import as_csv
from analysis.rendering.html import as_html, as_html_document
from analysis.rendering.json import as_json
from analysis.rendering.latex import as_latex, as_latex_document
from analysis.rendering.markdown import as_markdown
from analysis.rendering.text import as_text
from analysis.tables.table import Table
from fdt_core.errors import UsageError, unknown_name

__all__ = ["FORMATS", "as_csv", "as_html", "as_json", "as_latex", "as_markdown", "as_text", "render"]

FORMATS: dict[str, Callable[[Table], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "html": as_html,
    "json": as_json,
}
_DOCUMENTS = {"latex": as_latex_document, "html": as_html_document}


def render(tables: Iterable[Table], format: str = "text", *, standalone: bool = False) -> str:
    """Several tables as one text in one of `FORMATS`.

    Args:
        tables: the tables.
        format: one of `FORMATS`. JSON has one line with one object per table.
        standalone: return a whole document (LaTeX and HTML).

    Raises:
        UsageError: an unknown format, or one that has no documents.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if standalone and format not in _DOCUMENTS:
        raise UsageError(f"--standalone is for {' and '.join(_DOCUMENTS)}, not for {format}")
    text = ("\n" if format in ("csv", "json") else "\n\n").join(map(FORMATS[format], tables))
    return _DOCUMENTS[format](text) if standalone else text
