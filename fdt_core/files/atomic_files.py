"""Replace files so that no reader ever sees one half written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

_STALE_READS = 3


def replace_durably(temporary: Path, target: Path) -> None:
    """Rename `temporary` (already written) to `target`, and make file and name survive a power failure."""
    _fsync(temporary, os.O_RDONLY)
    temporary.replace(target)
    _fsync(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def write_text_atomically(path: Path, text: str, *, durable: bool = False) -> None:
    """Like `write_atomically`, for text in UTF-8."""
    write_atomically(path, text.encode(), durable=durable)


def write_atomically(path: Path, contents: bytes, *, durable: bool = False) -> None:
    """Write `contents` to `path` through a temporary file beside it; readers see all of the old or the new content.

    `durable` makes it survive a power failure. Raises OSError, which names `path`.
    """
    # A random name: two hosts may have equal process ids, and two containers often do.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(contents)
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
    """Read a small file that other processes may replace at any time; None if it does not exist.

    On NFS, a file that is replaced between opening and reading gives ESTALE: it is then opened again.
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
