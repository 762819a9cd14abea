"""File names of any bytes as text: the same in every locale, and safe to print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fdt_core.quantities import listed


def portable(name: str) -> str:
    """A file name of this machine decoded as UTF-8 in every locale; bytes that are not UTF-8 become surrogates.

    Names are kept in this form, so that class names, order and digests are the same everywhere.
    """
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def path_of(root: Path, name: str) -> Path:
    """The path of the file with the `portable` name `name` below `root`."""
    return root / os.fsdecode(name_bytes(name))


def name_bytes(name: str) -> bytes:
    """The bytes of a `portable` name, as on the disk."""
    return name.encode("utf-8", "surrogateescape")


def as_text(name: str) -> str:
    r"""The name as valid Unicode, with `\xe9` for a byte that is not UTF-8. Class names are stored in this form."""
    return name_bytes(name).decode("utf-8", "backslashreplace")


def printable(name: str | os.PathLike[str]) -> str:
    r"""A name or path for one line of a message: control characters become escapes such as `\n`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in as_text(os.fspath(name))
    )


def printable_list(names: Sequence[str]) -> str:
    """The names for a message: all, or the first ten and the number of the others."""
    return listed([printable(name) for name in names], limit=10)
