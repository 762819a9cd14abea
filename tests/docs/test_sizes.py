"""Files and folders stay small enough to find one's way in."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fdt_core", "cluster", "orchestrator", "analysis", "lab", "benchmarks")
MAX_LINES = 300
MAX_FILES = 15
COMMANDS = ROOT / "orchestrator" / "cli"
"""One module for each command, however many there are."""

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES} - {COMMANDS}), ids=lambda path: path.name)
def test_a_folder_has_few_files(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MAX_FILES


def test_a_file_has_few_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path.name: count for path, count in lines.items() if count > MAX_LINES} == {}
