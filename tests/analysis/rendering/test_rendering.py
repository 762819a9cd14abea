"""Tables as text, Markdown, LaTeX, CSV, HTML and JSON."""

import csv
import io
import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.cells import cell_len

from analysis import Study
from analysis.rendering import FORMATS, as_csv, as_html, as_json, as_latex, as_markdown, as_text, render
from analysis.tables import tables
from analysis.tables.comparison import comparison
from analysis.tables.numbers import count, number
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.errors import UsageError

TABLE = Table(
    title="50 % of <b> & co",
    columns=(
        text_column("Name"),
        Column(name="cifar_10", group="Accuracy (%)", parts=("mean", "std"), unit="%"),
        Column(name="n"),
    ),
    rows=(
        (
            word("späte_Wölbung"),
            Entry(parts=("94.90", "0.10"), values=(94.896, 0.1012), best=True, marks="†"),
            Entry(parts=("3",), values=(3,)),
        ),
        (word("模型|*x*"), Entry(parts=("failed",)), Entry(parts=("0",), values=(0,))),
    ),
    notes=("† fewer ± seeds",),
)


def test_text_is_aligned_by_terminal_cells_with_marks_after_the_digits() -> None:
    assert as_text(TABLE).splitlines() == [
        "50 % of <b> & co",
        "                Accuracy (%)",
        "Name               cifar_10    n",
        "--------------------------------",
        "späte_Wölbung  94.90 ± 0.10†*  3",
        "模型|*x*             failed    0",
        "† fewer ± seeds",
    ]


def test_bold_replaces_the_star() -> None:
    text = as_text(TABLE, bold=True)
    assert "\x1b[1m" in text
    assert "*" not in text.replace("*x*", "")


@pytest.mark.parametrize(
    "name", ["comparison", "published", "verdicts", "differences", "paired", "needs", "ranks", "across", "cells"]
)
def test_no_line_is_wider_than_the_terminal(paper: Study, name: str) -> None:
    for table in tables(paper, name):
        for width in (60, 100, 120, 140):
            assert max(map(cell_len, as_text(table, width).splitlines()[1:])) <= width


def test_a_wide_table_continues_below_with_its_first_column_and_loses_nothing(paper: Study) -> None:
    table = comparison(paper)[0]
    text = as_text(table, width=70)
    assert text.count("Template") > 1
    for row in table.rows:
        for entry in row:
            assert entry.text in text


def test_a_long_last_column_is_wrapped() -> None:
    long = Table(title="t", columns=(text_column("A"), text_column("B")), rows=((word("x"), word("word " * 30)),))
    lines = as_text(long, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) > 5


def test_markdown_escapes_and_marks() -> None:
    lines = as_markdown(TABLE).splitlines()
    assert lines[2] == "| Name | Accuracy (%) cifar\\_10 | n |"
    assert lines[4] == "| späte\\_Wölbung | **94.90 ± 0.10**† | 3 |"
    assert lines[5] == "| 模型\\|\\*x\\* | failed | 0 |"


def test_csv_has_one_header_and_numbers_in_full_precision() -> None:
    other = Table(
        name="other", title="Other", columns=(Column(name="n"), Column(name="m")), rows=((count(1), count(2)),)
    )
    frame = pd.read_csv(io.StringIO(as_csv([replace(TABLE, name="first"), other])))
    assert list(frame) == ["table", "title", "name", "accuracy_cifar_10_mean", "accuracy_cifar_10_std", "n", "m"]
    assert frame["accuracy_cifar_10_mean"].tolist()[0] == 94.896
    assert frame["accuracy_cifar_10_mean"].isna().tolist() == [False, True, True]
    assert frame["n"].tolist() == [3, 0, 1]
    assert frame["table"].tolist() == ["first", "first", "other"]


def test_every_table_of_a_study_is_one_csv_whose_numbers_pandas_reads(paper: Study) -> None:
    frame = pd.read_csv(io.StringIO(as_csv(tables(paper, "all"))))
    assert set(frame["table"]) >= {"comparison", "published", "verdicts", "differences", "paired", "ranks", "cells"}
    cells = frame[frame["table"] == "cells"]
    assert 20_035_018 in cells["params"].tolist()
    assert cells["final_accuracy_mean"].notna().all()
    numbers = frame.drop(columns=frame.select_dtypes("number").columns)
    assert not {"params", "interval_low", "p", "mean_rank"} & set(numbers)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@sum", "\tx"])
def test_a_spreadsheet_runs_no_text_as_a_formula(text: str) -> None:
    table = Table(title="=A1", columns=(text_column("A"), Column(name="n")), rows=((word(text), number(-1.5, 1)),))
    row = next(csv.DictReader(io.StringIO(as_csv([table]))))
    assert row["a"] == f"'{text}"
    assert row["title"] == "'=A1"
    assert row["n"] == "-1.5"


def test_json_is_one_document_with_numbers_units_and_notes() -> None:
    data = json.loads(as_json([TABLE, TABLE]))
    first, second = data["tables"]
    assert first == second
    assert first["columns"][1] == {"key": "accuracy_cifar_10_mean", "title": "Accuracy (%) cifar_10 mean", "unit": "%"}
    assert first["rows"][0] == {
        "name": "späte_Wölbung", "accuracy_cifar_10_mean": 94.896, "accuracy_cifar_10_std": 0.1012, "n": 3
    }  # fmt: skip
    assert first["rows"][1]["accuracy_cifar_10_mean"] is None
    assert first["notes"] == ["† fewer ± seeds"]


def test_infinite_values_end_nothing() -> None:
    entries = (number(math.inf, 2), number(-math.inf, 2, signed=True))
    table = Table(title="t", columns=(Column(name="a"), Column(name="b")), rows=(entries,))
    assert [entry.text for entry in entries] == ["inf", "-inf"]
    for format in FORMATS:
        assert render([table], format)
    assert json.loads(as_json([table]))["tables"][0]["rows"] == [{"a": None, "b": None}]


def test_latex_escapes_and_spans_groups() -> None:
    text = as_latex(TABLE)
    assert r"\caption{50 \% of $<$b$>$ \& co}" in text
    assert r"\label{tab:50-of-b-co}" in text
    assert r"\multicolumn{1}{c}{Accuracy (\%)}" in text
    assert r"\cmidrule(lr){2-2}" in text
    assert r"späte\_Wölbung & \textbf{94.90 $\pm$ 0.10}\dag{} & 3 \\" in text


def test_latex_has_real_minus_signs_and_rows_that_begin_with_a_bracket() -> None:
    names = ("[a]", "*b", "c-1", "2-stage")
    rows = tuple((word(name), number(-0.5, 1)) for name in names)
    text = as_latex(Table(title="t", columns=(text_column("A"), Column(name="n")), rows=rows))
    assert [line for line in text.splitlines() if line.endswith(r"$-$0.5 \\")] == [
        r"{}[a] & $-$0.5 \\", r"{}*b & $-$0.5 \\", r"c-1 & $-$0.5 \\", r"2-stage & $-$0.5 \\"
    ]  # fmt: skip


def test_siunitx_prints_the_numbers() -> None:
    text = render([TABLE], "latex", siunitx=True, standalone=True)
    assert r"\textbf{\num{94.90} $\pm$ \num{0.10}}\dag{} & \num{3} \\" in text
    assert r"\usepackage{siunitx}" in text
    with pytest.raises(UsageError, match="for latex, not for csv"):
        render([TABLE], "csv", siunitx=True)


def test_markdown_makes_no_links_and_no_formulas() -> None:
    table = Table(title="t", columns=(text_column("A"),), rows=((word("[x](y) $z$ ~w~"),),))
    assert as_markdown(table).splitlines()[4] == r"| \[x\](y) \$z\$ \~w\~ |"


class Texts(HTMLParser):
    """All text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_escapes_its_contents() -> None:
    page = Texts(as_html(TABLE))
    assert "50 % of <b> & co" in page.text
    assert "b" not in page.tags
    assert page.tags.count("strong") == 1


@pytest.mark.process
def test_every_table_of_a_study_renders_in_every_format(paper: Study) -> None:
    every = tables(paper, "all")
    for format in FORMATS:
        assert "tinyimagenet" in render(every, format)


def test_standalone_documents() -> None:
    assert render([TABLE], "latex", standalone=True).startswith(r"\documentclass")
    assert render([TABLE], "html", standalone=True).startswith("<!doctype html>")
    with pytest.raises(UsageError, match="not for csv"):
        render([TABLE], "csv", standalone=True)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'latex'"):
        render([TABLE], "latx")
