"""LaTeX output compiles."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import Study
from analysis.rendering import render
from analysis.tables import tables
from tests.analysis.synthetic import done, trial_row

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("pdflatex") is None, reason="needs pdflatex: apt-get install texlive-latex-recommended"
    ),
]


def compiled(text: str, folder: Path) -> tuple[Path, str]:
    file = folder / "tables.tex"
    file.write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    return folder / "tables.pdf", result.stdout


def test_all_tables_of_the_paper_compile_as_a_document(paper: Study, tmp_path: Path) -> None:
    pdf, log = compiled(render(tables(paper, "all"), "latex", standalone=True), tmp_path)
    assert pdf.stat().st_size > 10_000
    assert "Overfull" not in log


def test_a_table_compiles_in_a_document_that_has_only_booktabs(paper: Study, tmp_path: Path) -> None:
    preamble = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    compiled(preamble + render(tables(paper, "comparison"), "latex") + "\\end{document}\n", tmp_path)


def test_special_characters_and_failures_compile(study_of: Callable[..., Study], tmp_path: Path) -> None:
    error = r"Error: 100 % of \alpha_{i} & <x> ~ ^ # $ failed ± ↓"
    trials = [
        done(90.0, template="späte_Wölbung", budget_error=0.5),
        trial_row(status="failed", failure_kind="error", error=error),
    ]
    compiled(render(tables(study_of(trials), "all"), "latex", standalone=True), tmp_path)
