"""MkDocs hook: links of the pages to files outside docs/ work on the site as they do on a code host.

README.md and the other pages of the repository's root become pages of the site; any other file that a page links to,
such as a recipe or a module, becomes a page that shows its text. A link to a file that does not exist is an error.

Lists directly below a line of text are lists on a code host, but not in Python-Markdown: they get an empty line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.md",
}
"""Files of the repository's root, and what they are called on the site."""

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_ITEM = re.compile(r"(-|\d+\.) ")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".csv": "text"}


def linked_paths(text: str, source: str) -> Iterator[str]:
    """The files of the repository that a page links to, as paths from its root; `source` is the page's own."""
    for link in _LINK.finditer(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(source), link["path"]))


def site_path(path: str) -> str:
    """Where a file of the repository is on the site, as a path below docs/."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}.md"


def with_site_links(text: str, source: str) -> str:
    """The text of the page `source` with the links that it has on the site."""
    start = posixpath.dirname(site_path(source))

    def on_site(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["path"]))
        return posixpath.relpath(site_path(path), start or ".") + (link["anchor"] or "")

    return _LINK.sub(on_site, text)


def with_separate_lists(text: str) -> str:
    """The text with an empty line before each list that follows a line of text."""
    lines: list[str] = []
    in_fence = in_list = False
    for line in text.split("\n"):
        in_fence ^= line.startswith("```")
        is_item = bool(_ITEM.match(line)) and not in_fence
        if is_item and not in_list and lines and lines[-1]:
            lines.append("")
        in_list = is_item or (in_list and bool(line))
        lines.append(line)
    return "\n".join(lines)


def source_page(path: str, text: str) -> str:
    """A page that shows the text of a file."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"# {path}\n\n{fence}{_LANGUAGES.get(Path(path).suffix, 'text')}\n{text}\n{fence}\n"


def added_pages(root: Path) -> Mapping[str, str]:
    """The pages that are not in docs/, by their paths on the site. Raises FileNotFoundError for a broken link."""
    sources = [name for name in ROOT_PAGES if (root / name).exists()]
    added = {ROOT_PAGES[name]: (root / name).read_text(encoding="utf-8") for name in sources}
    sources += [f"docs/{path.name}" for path in sorted((root / "docs").glob("*.md"))]
    for source in sources:
        for path in linked_paths((root / source).read_text(encoding="utf-8"), source):
            if path not in ROOT_PAGES and not path.startswith("docs/"):
                added[site_path(path)] = source_page(path, (root / path).read_text(encoding="utf-8"))
    return added


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by MkDocs: add the pages that are not in docs/."""
    from mkdocs.structure.files import File

    for path, text in added_pages(ROOT).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Called by MkDocs: make the page one for the site."""
    path = page.file.src_uri
    if path.startswith("source/"):
        return markdown
    roots = {site: name for name, site in ROOT_PAGES.items()}
    return with_site_links(with_separate_lists(markdown), roots.get(path, f"docs/{path}"))
