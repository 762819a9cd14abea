"""Files with secrets: only their owner can read them, and nobody sees one half written."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from fdt_core.errors import EnvironmentProblem


def create_private_file(path: Path, contents: bytes) -> None:
    """Write `contents` to a new file with mode 0600; if the file exists, even since this instant, it stays as it is."""
    with _written(path, contents) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # no hard links here (exFAT, sshfs): of two at the same instant, the later one wins
            if not os.path.lexists(path):
                temporary.rename(path)


def replace_private_file(path: Path, contents: bytes) -> None:
    """Write `contents` to a file with mode 0600, in place of the one that is there, if any."""
    with _written(path, contents) as temporary:
        temporary.rename(path)


def check_private(path: Path) -> None:
    """Raise EnvironmentProblem unless `path` is a plain file of this user that no other user may read or write."""
    try:
        found = path.lstat()
    except OSError as error:
        raise EnvironmentProblem(f"the secret in {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        raise EnvironmentProblem(f"the secret in {path} must be in a plain file of yours; remove it and launch again")
    if stat.S_IMODE(found.st_mode) & 0o077:
        command = f"chmod 600 {shlex.quote(str(path))}"
        raise EnvironmentProblem(f"others may read the secret in {path}; fix it with: {command}")


@contextlib.contextmanager
def _written(path: Path, contents: bytes) -> Iterator[Path]:
    """A private file beside `path` that holds `contents`; at exit it is removed, if it is still there."""
    # A random name: two hosts may have equal process ids, and two containers often do.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(contents)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
