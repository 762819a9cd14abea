"""The picture of the rooms in docs/design.md is that of the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["top", "bottom"]

[[tool.importlinter.contracts]]
type = "layers"
containers = ["top"]
layers = ["jobs", "tools | words", "basics"]

[[tool.importlinter.contracts]]
type = "layers"
containers = ["bottom"]
layers = ["only"]
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Two packages: `jobs` imports `tools` and `basics`, of which `tools` imports `basics` itself."""
    files = {
        "top/jobs/__init__.py": "",
        "top/jobs/main.py": "from top import tools\nfrom top.basics import x\n\ndef f():\n    import bottom.only\n",
        "top/tools/__init__.py": "from top.basics import x",
        "top/words.py": "import json",
        "top/basics.py": "x = 1",
        "bottom/only.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_picture_is_up_to_date(script: ModuleType) -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert page == script.drawn_page(), "the code has changed: run python docs/draw_rooms.py"


def test_every_room_is_drawn_with_the_imports_that_no_other_implies(script: ModuleType, code: Path) -> None:
    layers = script.layers_of(PYPROJECT)
    assert layers == {"top": [["jobs"], ["tools", "words"], ["basics"]], "bottom": [["only"]]}
    imports = script.imported_rooms(code, layers)
    assert imports["top.jobs"] == {"top.tools", "top.basics", "bottom.only"}
    assert script.draw(code, layers, imports).splitlines() == [
        "┌─ top ────────────────────┐",
        "│ jobs            → tools  │",
        "│ tools           → basics │",
        "│ words                    │",
        "│ basics                   │",
        "└─ imports bottom ─────────┘",
        "┌─ bottom ─────────────────┐",
        "│ only                     │",
        "└──────────────────────────┘",
    ]


def test_a_page_without_the_markers_is_refused(script: ModuleType) -> None:
    with pytest.raises(ValueError, match="must hold"):
        script.with_picture("# A page", "picture")


def test_drawing_twice_changes_nothing(script: ModuleType) -> None:
    page = script.with_picture(f"before\n{script.START}\n{script.END}\nafter\n", "picture")
    assert page == f"before\n{script.START}\n```text\npicture\n```\n{script.END}\nafter\n"
    assert script.with_picture(page, "picture") == page
