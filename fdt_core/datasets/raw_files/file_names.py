"""File names as text: of any bytes, the same in every locale, and safe to print; also lists of them and counts."""

from __future__ import annotations

import os
from pathlib import Path


def portable(name: str) -> str:
    """A file name of this machine, read as UTF-8 whatever the locale says; bytes that are not UTF-8 are surrogates.

    Names are kept like this, so that class names, order and digests are the same everywhere.
    """
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def path_of(root: Path, name: str) -> Path:
    """The path of the file with the `portable` name `name` below `root`."""
    return root / os.fsdecode(name_bytes(name))


def name_bytes(name: str) -> bytes:
    """The bytes of a `portable` name, as they are on the disk."""
    return name.encode("utf-8", "surrogateescape")


def as_text(name: str) -> str:
    r"""The name as valid Unicode, with `\xe9` for a byte that is not UTF-8. Names of classes are stored like this."""
    return name_bytes(name).decode("utf-8", "backslashreplace")


def printable(name: str | os.PathLike[str]) -> str:
    r"""A name or path for one line of a message: line breaks and other control characters become `\n` and the like."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in as_text(os.fspath(name))
    )


def listed(names: list[str], limit: int = 10) -> str:
    """The names for a message: all of them, or the first `limit` and the number of the others."""
    shown = ", ".join(printable(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def counted(count: int, thing: str) -> str:
    """A number with its noun: "1 image", "1,200 images"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
