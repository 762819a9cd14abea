"""Every page of the documentation: links lead somewhere, and files and folders that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CODE_FOLDERS = ("analysis", "benchmarks", "cluster", "docs", "fdt_core", "lab", "orchestrator", "sweeps", "tests")


def links(text: str) -> list[str]:
    """The targets of a page's links and images, without those to other sites."""
    without_code = re.sub(r"^ {4,}\S.*$|^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def named_files(text: str) -> list[str]:
    """The files and folders of the repository that a page names in backticks; patterns and placeholders left out."""
    return [
        name
        for name in re.findall(r"`([\w./-]+)`", text)
        if name.partition("/")[0] in CODE_FOLDERS and "/" in name and re.search(r"(/|\.\w+)$", name)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    missing = [name for name in named_files(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()]
    assert missing == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "design.md", "internals.md", "debugging.md"} <= {page.name for page in PAGES}
    assert "orchestrator/tune/driver.py" in named_files((ROOT / "docs" / "design.md").read_text(encoding="utf-8"))


def test_broken_links_and_anchors_are_seen() -> None:
    text = "# What it *costs*\n[a](gone.md#x) ![b](images/b.svg) [c](https://example.org)\n\n    [code](d.md)\n"
    assert links(text) == ["gone.md#x", "images/b.svg"]
    assert anchors(text) == {"what-it-costs"}
