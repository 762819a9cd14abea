"""Tables as Markdown (GitHub's dialect)."""

from __future__ import annotations

from analysis.tables.table import Entry, Table


def as_markdown(table: Table) -> str:
    """The table as Markdown, best values in bold."""
    lines = [
        [_escaped(column.title) for column in table.columns],
        [":---" if column.align == "left" else "---:" for column in table.columns],
        *([_cell(entry) for entry in row] for row in table.rows),
    ]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {_escaped(note)}" for note in table.notes)
    return f"**{_escaped(table.title)}**\n\n{body}\n" + (f"\n{notes}\n" if notes else "")


def _cell(entry: Entry) -> str:
    text = _escaped(entry.text)
    return (f"**{text}**" if entry.best else text) + _escaped(entry.marks)


def _escaped(text: str) -> str:
    """`text` with the characters escaped that have a meaning in a Markdown table."""
    for special in "\\|*_<>`[]~$&":
        text = text.replace(special, f"\\{special}")
    return text.replace("\n", " ")
