"""Tables as text, Markdown, LaTeX, CSV, HTML and JSON."""

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from rich.cells import cell_len

from analysis import Study
from analysis.rendering import FORMATS, as_csv, as_html, as_json, as_latex, as_markdown, as_text, render
from analysis.tables import tables
from analysis.tables.comparison import comparison
from analysis.tables.table import Column, Entry, Table, text_column, word
from fdt_core.errors import UsageError

TABLE = Table(
    title="50 % of <b> & co",
    columns=(
        text_column("Name"),
        Column(name="cifar_10", group="Accuracy (%)", parts=("mean", "std")),
        Column(name="n"),
    ),
    rows=(
        (
            word("späte_Wölbung"),
            Entry(parts=("94.90", "0.10"), value=94.9, best=True, marks="†"),
            Entry(parts=("3",), value=3),
        ),
        (word("模型|*x*"), Entry(parts=("failed",)), Entry(parts=("0",), value=0)),
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


@pytest.mark.parametrize("name", ["comparison", "published", "differences", "needs", "ranks", "cells"])
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


def test_csv_has_a_column_for_each_part() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(TABLE))))
    assert rows[0]["Accuracy (%) cifar_10 mean"] == "94.90"
    assert rows[0]["Accuracy (%) cifar_10 std"] == "0.10"
    assert rows[1]["Accuracy (%) cifar_10 mean"] == "failed"
    assert rows[1]["Accuracy (%) cifar_10 std"] == ""


def test_json_has_numbers_as_numbers() -> None:
    data = json.loads(as_json(TABLE))
    assert data["rows"][0] == {
        "Name": "späte_Wölbung", "Accuracy (%) cifar_10 mean": 94.9, "Accuracy (%) cifar_10 std": 0.1, "n": 3.0
    }  # fmt: skip
    assert data["rows"][1]["Accuracy (%) cifar_10 std"] is None


def test_latex_escapes_and_spans_groups() -> None:
    text = as_latex(TABLE)
    assert r"\caption{50 \% of $<$b$>$ \& co}" in text
    assert r"\multicolumn{1}{c}{Accuracy (\%)}" in text
    assert r"\cmidrule(lr){2-2}" in text
    assert r"späte\_Wölbung & \textbf{94.90 $\pm$ 0.10}\dag{} & 3 \\" in text


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
