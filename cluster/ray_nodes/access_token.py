"""The token that every connection to a sweep's Ray needs: a separate file per sweep, readable by its owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from cluster.ray_nodes.private_files import check_private, create_private_file


def ensure_token(path: Path) -> Path:
    """Create the token file (0600, 256 random bits) unless it exists, check that it is private, and return its path.

    Raises EnvironmentProblem if the file belongs to another user, or other users may read or write it.
    """
    create_private_file(path, secrets.token_hex(32).encode())
    check_private(path)
    return path
