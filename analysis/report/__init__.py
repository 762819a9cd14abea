"""The report of one run, or of several compared: one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

from analysis.report.page import render_page
from analysis.study import Study
from fdt_core.files.atomic_files import write_text_atomically

__all__ = ["render_page", "write_report"]


def write_report(study: Study, file: Path, *, former: bool = False) -> Path:
    """Write the report of a study to `file`, whole or not at all, and return its path.

    With `former`, the report also lists the rows of former plans, in a separate section.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(file, render_page(study, former=former))
    return file
