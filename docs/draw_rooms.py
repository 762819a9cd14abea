"""Draw the rooms of the code into docs/design.md: the layers of pyproject.toml, and what each room really imports.

python docs/draw_rooms.py            # redraw the picture between the two markers of the page
python docs/draw_rooms.py --check    # exit with 1 if the page is out of date
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "design.md"
NAME_WIDTH = 15
START, END = "<!-- rooms: drawn by docs/draw_rooms.py -->", "<!-- end of rooms -->"

Layers = list[list[str]]
"""The layers of a package, the top one first. Names in one layer do not import each other."""
Imports = dict[str, set[str]]
"""For each room (`package.name`), the other rooms that it imports."""
Group = tuple[str, ...]
"""Rooms that share a line of the picture: one folder, or all single modules of a layer."""


def layers_of(pyproject: str) -> dict[str, Layers]:
    """The layers of each package from import-linter's contracts; the packages, too, from the top down."""
    contracts = [c for c in tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    split = {
        container: [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
        for contract in contracts
        for container in contract.get("containers", [""])
    }
    return {package: split[package] for layer in split[""] for package in layer}


def imported_rooms(root: Path, packages: Iterable[str]) -> Imports:
    """What each room below `root` imports, at the top of a file or inside a function."""
    found: Imports = {}
    known = tuple(packages)
    for package in known:
        for path in sorted((root / package).rglob("*.py")):
            room = _room(".".join(path.relative_to(root).with_suffix("").parts))
            targets = {_room(name) for name in _imported_names(path) if _package(name) in known}
            found.setdefault(room, set()).update(targets - {room})
    return found


def draw(root: Path, layers: Mapping[str, Layers], imports: Mapping[str, set[str]]) -> str:
    """The picture: a box for each package; in it each folder by itself, and the single modules of a layer together."""
    lines = {package: _lines(root, package, rows, imports) for package, rows in layers.items()}
    width = max(len(line) for package in lines for line in lines[package])
    return "\n".join(line for package in lines for line in _box(package, lines[package], width, imports))


def with_picture(page: str, picture: str) -> str:
    """The page with the picture between its markers. Raises ValueError if a marker is missing."""
    before, _, rest = page.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{PAGE.name} must hold {START!r} and {END!r}")
    return f"{before}{START}\n```text\n{picture}\n```\n{END}{after}"


def drawn_page(root: Path = ROOT) -> str:
    """docs/design.md with the picture of the code as it is now."""
    layers = layers_of((root / "pyproject.toml").read_text(encoding="utf-8"))
    return with_picture(PAGE.read_text(encoding="utf-8"), draw(root, layers, imported_rooms(root, layers)))


def _package(module: str) -> str:
    return module.partition(".")[0]


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # In `from package import room`, only the imported name tells the room.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _lines(root: Path, package: str, rows: Layers, imports: Mapping[str, set[str]]) -> list[str]:
    """The lines in a package's box; the imports of a group with a long name are on a line below it."""
    groups = [group for layer in rows for group in _groups(root / package, layer)]
    shown = _without_implied(package, groups, imports)
    lines = []
    for group in groups:
        names, arrow = ", ".join(group), f"→ {', '.join(shown[group])}" if shown[group] else ""
        if len(names) > NAME_WIDTH and arrow:
            lines.append(names)
            names = ""
        lines.append(f"{names:<{NAME_WIDTH}} {arrow}".rstrip())
    return lines


def _box(package: str, lines: list[str], width: int, imports: Mapping[str, set[str]]) -> list[str]:
    others = {_package(target) for room, targets in imports.items() if _package(room) == package for target in targets}
    outside = ", ".join(sorted(others - {package}))
    return [
        f"┌─ {package} ".ljust(width + 3, "─") + "┐",
        *(f"│ {line:<{width}} │" for line in lines),
        ("└" + (f"─ imports {outside} " if outside else "")).ljust(width + 3, "─") + "┘",
    ]


def _groups(folder: Path, layer: list[str]) -> list[Group]:
    modules = tuple(name for name in layer if not (folder / name).is_dir())
    return [(name,) for name in layer if name not in modules] + ([modules] if modules else [])


def _without_implied(package: str, groups: list[Group], imports: Mapping[str, set[str]]) -> dict[Group, list[str]]:
    """What each group imports in its package, without what another of its imports imports anyway.

    `groups` go from the top down, so those that a group imports come after it.
    """
    direct = {group: set[str]().union(*(imports.get(f"{package}.{name}", ()) for name in group)) for group in groups}
    reached: dict[Group, set[Group]] = {}
    shown: dict[Group, list[str]] = {}
    for group in reversed(groups):
        wanted = [other for other in groups if other != group and direct[group] & {f"{package}.{n}" for n in other}]
        implied = {far for near in wanted for far in reached.get(near, ())}
        reached[group] = implied | set(wanted)
        shown[group] = [
            name for other in wanted if other not in implied for name in other if f"{package}.{name}" in direct[group]
        ]
    return shown


def main(arguments: list[str]) -> int:
    """Redraw the page, or with `--check` only compare; returns the exit status."""
    page = drawn_page()
    if arguments == ["--check"]:
        return int(page != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
