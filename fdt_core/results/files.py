"""Where the results of a run lie, and how a file is replaced so that no reader ever sees it half written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

PART_ROWS = 100_000
"""A part that has reached this many rows is never written again."""

_STALE_READS = 3


def table_directory(results: Path, table: str) -> Path:
    """The directory that holds the parts of `table`."""
    return results / table


def part_path(results: Path, table: str, number: int) -> Path:
    """The file of part `number`, counted from 0."""
    return table_directory(results, table) / f"part-{number:06d}.parquet"


def part_paths(results: Path, table: str) -> list[Path]:
    """The parts of `table` that exist, oldest first."""
    return sorted(table_directory(results, table).glob("part-*.parquet"))


def replace_durably(temporary: Path, target: Path) -> None:
    """Give `temporary` (already written) the name `target`, and make file and name survive a power cut."""
    _fsync(temporary, os.O_RDONLY)
    temporary.replace(target)
    _fsync(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def write_text_atomically(path: Path, text: str, *, durable: bool = False) -> None:
    """Write `text` to `path` through a temporary file beside it; readers see the old or the new content whole.

    Raises OSError, which names `path`.
    """
    # A random name: process ids may be the same on two hosts, and in two containers often are.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        if durable:
            replace_durably(temporary, path)
        else:
            temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_text_if_exists(path: Path) -> str | None:
    """What a small file holds that others replace meanwhile; None where there is none.

    On NFS a file that is replaced between its opening and its reading gives ESTALE: then it is opened anew.
    """
    for _ in range(_STALE_READS):
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return path.read_text(encoding="utf-8")


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
