"""The token that every connection to a sweep's Ray needs: a separate file per sweep, readable by its owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
from pathlib import Path

from fdt_core.errors import EnvironmentProblem


def ensure_token(path: Path) -> Path:
    """Create the token file (0600, 256 random bits) unless it exists, check that it is private, and return its path.

    Raises EnvironmentProblem if the file belongs to another user, or other users may read or write it.
    """
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    check_private(path)
    return path


def check_private(path: Path) -> None:
    """Raise EnvironmentProblem unless `path` is a plain file of this user that no other user may read or write."""
    try:
        found = path.lstat()
    except OSError as error:
        raise EnvironmentProblem(f"the token file {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        raise EnvironmentProblem(f"the token file {path} must be a plain file of yours; remove it and launch again")
    if stat.S_IMODE(found.st_mode) & 0o077:
        command = f"chmod 600 {shlex.quote(str(path))}"
        raise EnvironmentProblem(f"others may read the token file {path}; fix it with: {command}")
