"""Summarise a prepared data set for the user: what was left out or converted, and the classes with their counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fdt_core.datasets.raw_files.file_names import printable
from fdt_core.datasets.raw_files.source import SPLITS
from fdt_core.datasets.store import Description, open_array

_CLASSES_SHOWN = 20


def summary_lines(description: Description, directory: Path) -> tuple[str, ...]:
    """What `resize` did (if it is used), the notes of the preparation, then one line of the classes with their counts.

    Raises EnvironmentProblem if the labels in `directory` cannot be read.
    """
    classes = len(description.class_names)
    train, test = (
        np.bincount(open_array(directory, f"{split}_labels"), minlength=classes).tolist() for split in SPLITS
    )
    if classes <= _CLASSES_SHOWN:
        counts = zip(description.class_names, train, test, strict=True)
        shown = ", ".join(f"{printable(name)} {trained:,} + {tested:,}" for name, trained, tested in counts)
        line = f"{classes} classes (training + test images): {shown}"
    else:
        line = f"{classes} classes of {_span(train)} training and {_span(test)} test images"
    return (*_resize_line(description), *description.notes, line)


def _resize_line(description: Description) -> tuple[str, ...]:
    if description.resize is None:
        return ()
    square = f"{description.resize.size}x{description.resize.size}"
    return (f"resized to a shorter side of {description.resize.shorter_side:,} pixels, the central {square} cut out",)


def _span(counts: list[int]) -> str:
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
