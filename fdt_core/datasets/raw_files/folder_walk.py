"""List all files below a folder: each real folder is read once, and clutter of operating systems is skipped."""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass, field
from pathlib import Path

from fdt_core.datasets.raw_files.file_names import path_of, portable, printable
from fdt_core.errors import EnvironmentProblem

_CLUTTER = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
        *("__macosx", "icon\r", "network trash folder", "temporary items"),  # macOS
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # network storage
        *("thumbnail", "thumbnails", "_thumbnails", "_thumbs"),  # galleries
        *("lost+found", "__pycache__"),
    }
)
"""Lower-case names of files and folders that systems and programs create beside the user's."""


@dataclass(frozen=True, kw_only=True)
class FolderContents:
    """The contents of a folder at any depth. All names are relative to it, with slashes between folders.

    Args:
        files: all files except hidden ones, in no order; includes broken links.
        folders: all folders except hidden ones; includes those without files.
        hidden: the last part of the name of each hidden file or folder; see `is_hidden`.
        repeated: further names of folders that were already read under another name.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden (`.ipynb_checkpoints`, `._x.jpg`) or belongs to a system (`@eaDir`)."""
    return name.startswith(".") or name.lower() in _CLUTTER


def walk_folder(root: Path) -> FolderContents:
    """List the contents of `root` at any depth, following links to folders.

    A folder that several links point to, or that contains a link to itself, is read once: under its real name if that
    is below `root`, else under the first link to it.

    Raises:
        EnvironmentProblem: if a folder cannot be read.
    """
    contents = FolderContents()
    seen: set[str] = set()
    folders, links = [("", os.path.realpath(root))], list[tuple[str, str]]()
    while folders or links:  # real folders before links, so that a folder keeps its real name
        name, real = folders.pop() if folders else heapq.heappop(links)
        if real in seen:
            contents.repeated.append(name)
            continue
        seen.add(real)
        if name:
            contents.folders.append(name)
        for entry in _entries(path_of(root, name)):
            last = portable(entry.name)
            inner = f"{name}/{last}" if name else last
            if is_hidden(last):
                contents.hidden.append(last)
            elif not _is_folder(entry):
                contents.files.extend([inner] if _can_be_read(entry) else ())
            elif entry.is_symlink():
                heapq.heappush(links, (inner, os.path.realpath(entry.path)))
            else:
                folders.append((inner, f"{real.rstrip('/')}/{entry.name}"))
    return contents


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise EnvironmentProblem(f"{printable(folder)} cannot be read: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link, or one into a folder that this user may not enter
        return False


def _can_be_read(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file or a broken link; opening a pipe or a device might block forever."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True
