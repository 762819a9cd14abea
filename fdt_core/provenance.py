"""Which code is running: commit, uncommitted changes, digest of the sources, and the versions that affect numerics."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from fdt_core.import_path import PROJECT_PACKAGES
from fdt_core.version import VERSION

_ROOT = Path(__file__).resolve().parent.parent


def git_commit() -> str | None:
    """The commit of the checkout that the code runs from; None outside a git checkout of the project."""
    if not (_ROOT / ".git").exists():
        return None
    return _git("rev-parse", "HEAD") or None


def uncommitted_digest() -> str | None:
    """SHA-256 of the uncommitted changes; None if there are none, or outside a checkout."""
    if not (_ROOT / ".git").exists():
        return None
    changes = _git("diff", "HEAD", "--", *(f"{package}/" for package in PROJECT_PACKAGES))
    return hashlib.sha256(changes.encode()).hexdigest() if changes else None


def code_digest() -> str:
    """SHA-256 of the project's sources: equal on two machines that run the same code."""
    digest = hashlib.sha256()
    for package in PROJECT_PACKAGES:
        for path in sorted((_ROOT / package).rglob("*")):
            if path.suffix in (".py", ".yaml", ".csv"):
                digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions that may affect numbers or protocols, keyed by column of the results."""
    return {
        "code_version": VERSION,
        "torch_version": version("torch"),
        "ray_version": version("ray"),
        "python_version": platform.python_version(),
    }


def _git(*arguments: str) -> str | None:
    """Output of a git command in the checkout; None if git fails or is missing."""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
