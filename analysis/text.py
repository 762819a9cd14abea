"""Tables as plain text: aligned columns, no wider than the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.table import Column, Entry, Table

GAP = "  "
BEST = "*"


def as_text(table: Table, width: int = 120, bold: bool = False) -> str:
    """The table as text. A table wider than `width` goes on below, with its first column repeated.

    Args:
        table: the table.
        width: characters of a line.
        bold: show best values in bold (ANSI) instead of marking them with '*'.
    """
    grid = [_column_lines(table, index, bold) for index in range(len(table.columns))]
    blocks = [_block(table.columns, grid, chosen) for chosen in _fit(grid, width)]
    return "\n\n".join([table.title + "\n" + blocks[0], *blocks[1:]]) + "".join(f"\n{note}" for note in table.notes)


def _column_lines(table: Table, index: int, bold: bool) -> list[str]:
    """The name of a column and its entries. Their marks stand in a field of their own, so that the digits align."""
    column = table.columns[index]
    entries = [row[index] for row in table.rows]
    marks = [entry.marks + (BEST if entry.best and not bold else "") for entry in entries]
    field = max((len(mark) for mark in marks), default=0)
    text = [entry.text + mark.ljust(field) for entry, mark in zip(entries, marks, strict=True)]
    width = max(map(len, [column.name, *text]))
    align = str.ljust if column.align == "left" else str.rjust
    body = [align(line, width) for line in text]
    return [
        align(column.name, width),
        *(_bold(line, entry) if bold else line for line, entry in zip(body, entries, strict=True)),
    ]


def _bold(line: str, entry: Entry) -> str:
    return f"\x1b[1m{line}\x1b[0m" if entry.best else line


def _fit(grid: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Which columns go side by side: as many as fit, the first before each lot."""
    widths = [len(lines[0]) for lines in grid]
    lots, room = [[0]], width - widths[0]
    for index in range(1, len(widths)):
        room -= len(GAP) + widths[index]
        if room < 0 and len(lots[-1]) > 1:
            lots.append([0])
            room = width - widths[0] - len(GAP) - widths[index]
        lots[-1].append(index)
    return lots


def _block(columns: Sequence[Column], grid: Sequence[Sequence[str]], chosen: Sequence[int]) -> str:
    lines = [GAP.join(parts) for parts in zip(*(grid[index] for index in chosen), strict=True)]
    rule = "-" * len(lines[0])
    groups = _group_line([(columns[index].group, len(grid[index][0])) for index in chosen])
    return "\n".join([*([groups] if groups.strip() else []), lines[0], rule, *lines[1:]]).rstrip()


def _group_line(columns: Sequence[tuple[str, int]]) -> str:
    """The headings over groups of columns, centred."""
    spans: list[tuple[str, int]] = []
    for group, width in columns:
        if spans and spans[-1][0] == group:
            spans[-1] = (group, spans[-1][1] + len(GAP) + width)
        else:
            spans.append((group, width))
    return GAP.join(f" {group} ".center(width, "-") if group else " " * width for group, width in spans)
