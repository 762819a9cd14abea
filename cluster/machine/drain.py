"""The drain flag: a file on a node's own disk that tells its trials to save and leave, and by when.

The owner of the node raises it before the node's end. Every actor there finds the file's path in its environment and
polls it between steps, which costs one look at a local file.
"""

from __future__ import annotations

import os
from pathlib import Path

from fdt_core.files.atomic_files import read_text_if_exists, write_text_atomically

DRAIN_FILE_VARIABLE = "FDT_DRAIN_FILE"
"""Environment variable with the path of this node's drain flag."""


def raise_drain_flag(path: Path, deadline: float) -> None:
    """Tell all actors of the node to be gone by `deadline` (seconds since the epoch). An earlier deadline stands."""
    standing = read_drain_flag(path)
    if standing is not None and standing <= deadline:
        return
    write_text_atomically(path, f"{deadline:.3f}\n")


def drain_deadline() -> float | None:
    """The moment (seconds since the epoch) by which this process must have saved and ended; None = no hurry."""
    path = os.environ.get(DRAIN_FILE_VARIABLE)
    return read_drain_flag(Path(path)) if path else None


def read_drain_flag(path: Path) -> float | None:
    """The deadline in a drain flag; None where the flag is not raised.

    A flag that holds anything else is raised all the same, its deadline past: to save and leave at once loses least.
    """
    try:
        text = read_text_if_exists(path)
        return None if text is None else float(text)
    except ValueError:  # not a number, or not text
        return 0.0
