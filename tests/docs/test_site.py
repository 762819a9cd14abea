"""The documentation as a site: pages and links of the repository, as MkDocs builds them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_links", ROOT / "docs" / "site_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "link", "on_site"),
    [
        ("README.md", "docs/slurm.md#threat-model", "slurm.md#threat-model"),
        ("README.md", "docs/images/demo_accuracy.svg", "images/demo_accuracy.svg"),
        ("README.md", "CHANGELOG.md", "changelog.md"),
        ("docs/design.md", "runs.md", "runs.md"),
        ("docs/design.md", "../README.md", "index.md"),
        ("docs/training.md", "../fdt_core/trial/recipe.py", "source/fdt_core/trial/recipe.py.md"),
        ("docs/design.md", "#rooms", "#rooms"),
        ("docs/design.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_lead_to_the_same_file_on_the_site(hook: ModuleType, source: str, link: str, on_site: str) -> None:
    assert hook.with_site_links(f"see [this]({link}).", source) == f"see [this]({on_site})."


def test_a_linked_file_becomes_a_page_that_shows_it(hook: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("[code](../code.py)")
    (tmp_path / "code.py").write_text("x = '```'")
    assert hook.added_pages(tmp_path) == {"source/code.py.md": "# code.py\n\n````python\nx = '```'\n````\n"}


def test_a_link_to_a_file_that_is_gone_is_an_error(hook: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("[gone](gone.py)")
    with pytest.raises(FileNotFoundError):
        hook.added_pages(tmp_path)


def test_lists_below_text_get_an_empty_line(hook: ModuleType) -> None:
    assert hook.with_separate_lists("Text:\n- a\n- b\n  more\n- c") == "Text:\n\n- a\n- b\n  more\n- c"
    assert hook.with_separate_lists("```\na\n- b\n```") == "```\na\n- b\n```"


@pytest.mark.process
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the site needs the extra `docs`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    recipe = tmp_path / "site" / "source" / "fdt_core" / "trial" / "recipes" / "paper.yaml.html"
    assert "momentum" in recipe.read_text(encoding="utf-8")
    assert 'href="source/fdt_core/trial/recipes/paper.yaml.html"' in (tmp_path / "site" / "training.html").read_text()
