"""The report of a run: one HTML file that needs no network."""

from __future__ import annotations

import html
import io
from pathlib import Path

from analysis.cells import add_latency, outcomes, summarise
from analysis.figures.scatter import accuracy_against
from analysis.frames import Results
from analysis.rounding import rounding
from analysis.table import Table
from analysis.tables import comparison

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }} body {{ font: 16px system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }} td, th {{ padding: .2rem .7rem; text-align: right; }}
thead {{ border-block: 2px solid; }} .left {{ text-align: left; }} figure svg {{ background: white; max-width: 100%; height: auto; }}
</style>
<h1>{title}</h1>
{tables}
<h2>Accuracy against parameters</h2>
<figure>{figure}</figure>
</html>
"""


def write_report(results: Results, path: Path) -> Path:
    """Write the report of `results` to `path` and return it."""
    cells = add_latency(summarise(outcomes(results)), results.profiles)
    tables = comparison(cells, rounding=rounding("nearest"))
    page = _PAGE.format(
        title=html.escape(", ".join(results.paths)), tables="\n".join(map(_html, tables)), figure=_figure(cells)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _html(table: Table) -> str:
    head = "".join(f'<th class="{column.align}">{html.escape(column.name)}' for column in table.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{column.align}">'
            + ("<b>" if entry.best else "")
            + html.escape(entry.text + entry.marks)
            + ("</b>" if entry.best else "")
            for column, entry in zip(table.columns, row, strict=True)
        )
        for row in table.rows
    )
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    return f"<h2>{html.escape(table.title)}</h2><table><thead><tr>{head}<tbody>{rows}</table>{notes}"


def _figure(cells: object) -> str:
    picture = io.StringIO()
    accuracy_against(cells).savefig(picture, format="svg")  # type: ignore[arg-type]
    return picture.getvalue().partition("<svg")[1] + picture.getvalue().partition("<svg")[2]
