"""The drain flag: a file on a node's own disk that has its trials save and leave, and holds their deadline.

The owner of the node raises the flag before the node's end. Every actor there finds the file's path in its environment
and polls it between steps, which costs one look at a local file. `drain_timeline` has the deadlines.
"""

from __future__ import annotations

import os
from pathlib import Path

from fdt_core.files.atomic_files import read_text_if_exists, write_text_atomically

DRAIN_FILE_VARIABLE = "FDT_DRAIN_FILE"
"""Environment variable with the path of this node's drain flag."""


def raise_drain_flag(path: Path, deadline: float) -> None:
    """Have all actors of the node leave by `deadline` (seconds since the epoch), unless an earlier deadline is set."""
    standing = read_drain_flag(path)
    if standing is not None and standing <= deadline:
        return
    write_text_atomically(path, f"{deadline:.3f}\n")


def drain_deadline() -> float | None:
    """When this process must have saved and ended (seconds since the epoch); None if its node does not drain."""
    path = os.environ.get(DRAIN_FILE_VARIABLE)
    return read_drain_flag(Path(path)) if path else None


def read_drain_flag(path: Path) -> float | None:
    """The deadline in a drain flag (seconds since the epoch); None if the flag is not raised.

    A flag without a readable deadline counts as raised with a deadline in the past: to save and leave at once loses
    least.
    """
    try:
        text = read_text_if_exists(path)
        return None if text is None else float(text)
    except ValueError:  # not a number, or not text
        return 0.0
