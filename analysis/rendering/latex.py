"""Tables as LaTeX with booktabs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from analysis.tables.table import Column, Entry, Table

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{special: f"\\{special}" for special in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "Δ": r"$\Delta$",
        "†": r"\dag{}",
        "‡": r"\ddag{}",
        "§": r"\S{}",
    }
)

_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
"""A hyphen that is meant as a minus sign."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

_NOT_IN_LABELS = re.compile(r"[^0-9a-z]+")

_DOCUMENT = r"""\documentclass{{article}}
\usepackage[a3paper, landscape, margin=1cm]{{geometry}}
\usepackage{{booktabs}}{packages}
\begin{{document}}
{tables}
\end{{document}}
"""


def as_latex(table: Table, *, siunitx: bool = False) -> str:
    r"""The table as a `table` environment with caption and label, best values in bold.

    The document needs `\usepackage{booktabs}`, and with `siunitx`, which prints the numbers, that package too.
    """
    alignment = "".join(column.align[0] for column in table.columns)
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{_escaped(table.title)}}}",
        rf"\label{{tab:{_label(table)}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_group_lines(table.columns),
        " & ".join(_escaped(column.name) for column in table.columns) + r" \\",
        r"\midrule",
        *(_row(row, siunitx) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {_escaped(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_latex_document(tables: str) -> str:
    """LaTeX tables as a whole document."""
    return _DOCUMENT.format(tables=tables, packages="\n\\usepackage{siunitx}" if r"\num{" in tables else "")


def _label(table: Table) -> str:
    """A label from the kind of table and its title."""
    words = f"{table.name} {table.title}".lower().replace("±", "")
    return _NOT_IN_LABELS.sub("-", words).strip("-")


def _row(row: tuple[Entry, ...], siunitx: bool) -> str:
    r"""The entries of a row. `\\` before it would take a first `[` or `*` for its own argument."""
    text = " & ".join(_cell(entry, siunitx) for entry in row)
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _group_lines(columns: tuple[Column, ...]) -> Iterator[str]:
    """The headings over groups of columns, and the rules below them."""
    if not any(column.group for column in columns):
        return
    spans = [(group, len(list(same))) for group, same in itertools.groupby(columns, key=lambda column: column.group)]
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{_escaped(group)}}}" for group, width in spans]
    yield " & ".join(heads) + r" \\"
    ends = list(itertools.accumulate(width for _, width in spans))
    rules = [
        rf"\cmidrule(lr){{{end - width + 1}-{end}}}" for (group, width), end in zip(spans, ends, strict=True) if group
    ]
    yield " ".join(rules)


def _cell(entry: Entry, siunitx: bool) -> str:
    if siunitx and all(map(_NUMBER.fullmatch, entry.parts)):
        text = _escaped(entry.joint).join(rf"\num{{{part}}}" for part in entry.parts)
    else:
        text = _escaped(entry.text)
    return (rf"\textbf{{{text}}}" if entry.best else text) + _escaped(entry.marks)


def _escaped(text: str) -> str:
    # The two hyphens of an option would become a dash.
    return _MINUS.sub("$-$", text.translate(_ESCAPES).replace("--", "-{}-"))
