"""Tables as plain text: aligned columns, no wider than the terminal."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len

from analysis.tables.table import Entry, Table

GAP = "  "
BEST = "*"
WIDTH = 120
LEAST_WIDTH = 20


def as_text(table: Table, width: int = WIDTH, bold: bool = False) -> str:
    """The table as text. Columns beyond `width` continue below, with the first column repeated.

    Args:
        table: the table.
        width: characters of a line.
        bold: show best values in bold (ANSI) instead of marking them with '*'.
    """
    table = _last_column_wrapped(table, width)
    groups = [column.group for column in table.columns]
    grid = _wide_enough([_column_lines(table, index, bold) for index in range(len(groups))], groups)
    blocks = ["\n".join(_block(groups, grid, chosen)) for chosen in _side_by_side(grid, groups, width)]
    notes = [line for note in table.notes for line in textwrap.wrap(note, width, subsequent_indent="  ")]
    return "\n".join([table.title, "\n\n".join(blocks), *notes])


def _last_column_wrapped(table: Table, width: int) -> Table:
    """Wrap a last column of text that fits neither next to the others nor next to the first alone."""
    if table.columns[-1].align != "left":
        return table
    widths = [max(map(cell_len, [c.name, *(row[i].text for row in table.rows)])) for i, c in enumerate(table.columns)]
    beside_all = width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    room = beside_all if beside_all >= LEAST_WIDTH else max(LEAST_WIDTH, width - widths[0] - len(GAP))
    if room >= widths[-1]:
        return table
    rows: list[tuple[Entry, ...]] = []
    for row in table.rows:
        first, *others = textwrap.wrap(row[-1].text, room) or [""]
        rows.append((*row[:-1], replace(row[-1], parts=(first,))))
        rows += [(*[Entry(parts=("",))] * (len(row) - 1), Entry(parts=(line,))) for line in others]
    return replace(table, rows=tuple(rows))


def _column_lines(table: Table, index: int, bold: bool) -> list[str]:
    """The name of a column and its entries. Marks have a separate field, so that the digits align."""
    column, entries = table.columns[index], [row[index] for row in table.rows]
    marks = [entry.marks + (BEST if entry.best and not bold else "") for entry in entries]
    field = max(map(len, marks), default=0)
    texts = [entry.text + mark.ljust(field) for entry, mark in zip(entries, marks, strict=True)]
    lengths = [*map(cell_len, texts)]
    width = max(cell_len(column.name), *lengths, 0)
    name = column.name if column.align == "left" else column.name + " " * min(field, width - cell_len(column.name))
    head = _padded(name, cell_len(name), width, column.align)
    body = [_padded(text, length, width, column.align) for text, length in zip(texts, lengths, strict=True)]
    return [head, *(_bold(line, entry) if bold else line for line, entry in zip(body, entries, strict=True))]


def _padded(text: str, length: int, width: int, align: str) -> str:
    """`text` of `length` terminal cells (East Asian characters take two) in a field of `width`."""
    space = " " * (width - length)
    return text + space if align == "left" else space + text


def _bold(line: str, entry: Entry) -> str:
    return f"\x1b[1m{line}\x1b[0m" if entry.best else line


def _wide_enough(grid: list[list[str]], groups: Sequence[str]) -> list[list[str]]:
    """Widen the first column of each group that is narrower than its heading."""
    for group, indices in itertools.groupby(range(len(groups)), key=lambda index: groups[index]):
        chosen = list(indices)
        lacking = cell_len(group) + 2 - _width(grid, chosen)
        if group and lacking > 0:
            grid[chosen[0]] = [" " * lacking + line for line in grid[chosen[0]]]
    return grid


def _side_by_side(grid: Sequence[Sequence[str]], groups: Sequence[str], width: int) -> list[list[int]]:
    """The columns side by side: as many as fit, the first one repeated in each block. Small groups are kept whole."""
    lots = [[0]]
    for index in range(1, len(grid)):
        if len(lots[-1]) > 1 and _width(grid, [*lots[-1], index]) > width:
            lots.append([0])
            before = lots[-2][-1]
            if (
                before > 1
                and groups[before]
                and groups[before] == groups[index]
                and groups[before - 1] != groups[before]
            ):
                lots[-1].append(lots[-2].pop())
        lots[-1].append(index)
    return lots


def _width(grid: Sequence[Sequence[str]], chosen: Sequence[int]) -> int:
    return sum(cell_len(grid[index][0]) for index in chosen) + len(GAP) * (len(chosen) - 1)


def _block(groups: Sequence[str], grid: Sequence[Sequence[str]], chosen: Sequence[int]) -> list[str]:
    head, *body = [GAP.join(parts).rstrip() for parts in zip(*(grid[index] for index in chosen), strict=True)]
    rule = "-" * _width(grid, chosen)
    over = _group_line([(groups[index], cell_len(grid[index][0])) for index in chosen]).rstrip()
    return [*([over] if over else []), head, rule, *body]


def _group_line(columns: Sequence[tuple[str, int]]) -> str:
    """The headings over groups of columns, centred over a dashed line."""
    spans: list[tuple[str, int]] = []
    for group, width in columns:
        if spans and group and spans[-1][0] == group:
            spans[-1] = (group, spans[-1][1] + len(GAP) + width)
        else:
            spans.append((group, width))
    return GAP.join(_heading(group, width) for group, width in spans)


def _heading(group: str, width: int) -> str:
    """A heading in the middle of its columns, on a dashed line if there is room for one."""
    room = width - cell_len(group) - 2
    line = "-" if group and room >= 6 else " "
    return f"{line * (room // 2)} {group} {line * (room - room // 2)}" if group else " " * width
