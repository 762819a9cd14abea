"""Prepare a data set: read it as it is published, check it, and let its prepared directory appear all at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from fdt_core.datasets.source import Source
from fdt_core.datasets.store import DESCRIPTION, Description, read_description, write_files
from fdt_core.errors import EnvironmentProblem


def publish(name: str, source: Source, data_dir: Path) -> Description:
    """Write `source` as the prepared data set `name` under `data_dir`, atomically.

    A process that prepares the same data set at the same time waits, and then finds it done. Nothing half-written
    stays: not after an error, and what a killed process left is removed by the next.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(data_dir / f".{name}.lock"):
        if (data_dir / name / DESCRIPTION).exists():
            return read_description(data_dir / name)
        for leftover in data_dir.glob(f".{name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        _require_space(source, data_dir)
        partial = data_dir / f".{name}.partial-{uuid.uuid4().hex}"
        partial.mkdir()
        try:
            description = write_files(name, source, partial)
            _flush(partial)
            partial.rename(data_dir / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return description


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for whoever holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_space(source: Source, data_dir: Path) -> None:
    pixels = source.image.size**2 * source.image.channels
    needed = (len(source.train.labels) + len(source.test.labels)) * (pixels + 8)
    free = shutil.disk_usage(data_dir).free
    if free < needed:
        raise EnvironmentProblem(f"{data_dir} has {free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB are needed")


def _flush(directory: Path) -> None:
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
