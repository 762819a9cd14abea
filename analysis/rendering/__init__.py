"""Tables as text, Markdown, LaTeX, CSV, HTML and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from analysis.rendering.csv import as_csv
from analysis.rendering.html import as_html, as_html_document
from analysis.rendering.json import as_json
from analysis.rendering.latex import as_latex, as_latex_document
from analysis.rendering.markdown import as_markdown
from analysis.rendering.text import as_text
from analysis.tables.table import Table
from fdt_core.errors import UsageError, unknown_name

__all__ = ["FORMATS", "as_csv", "as_html", "as_json", "as_latex", "as_markdown", "as_text", "render"]

FORMATS = ("text", "markdown", "latex", "csv", "html", "json")

_FOR_PROGRAMS: dict[str, Callable[[Iterable[Table]], str]] = {"csv": as_csv, "json": as_json}
_FOR_READERS: dict[str, Callable[[Table], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}
_DOCUMENTS = {"latex": as_latex_document, "html": as_html_document}


def render(tables: Iterable[Table], format: str = "text", *, standalone: bool = False, siunitx: bool = False) -> str:
    r"""Several tables as one text in one of `FORMATS`.

    Args:
        tables: the tables.
        format: one of `FORMATS`. CSV and JSON hold all tables in one file, with numbers in full precision.
        standalone: return a whole document (LaTeX and HTML).
        siunitx: let the LaTeX package siunitx print the numbers: `\num{-0.12}`.

    Raises:
        UsageError: an unknown format, or an option that it does not have.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if standalone and format not in _DOCUMENTS:
        raise UsageError(f"--standalone is for {' and '.join(_DOCUMENTS)}, not for {format}")
    if siunitx and format != "latex":
        raise UsageError(f"--siunitx is for latex, not for {format}")
    if format in _FOR_PROGRAMS:
        return _FOR_PROGRAMS[format](tables)
    one = partial(as_latex, siunitx=True) if siunitx else _FOR_READERS[format]
    text = "\n\n".join(map(one, tables))
    return _DOCUMENTS[format](text) if standalone else text
