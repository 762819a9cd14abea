"""Prepare a published data set, and check what a failure leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.errors import EnvironmentProblem

PAPER = ("cifar10", "cifar100", "cinic10", "tinyimagenet")


def left_in(data: Path) -> list[str]:
    """The files in `data`, except locks."""
    return sorted(path.name for path in data.iterdir() if not path.name.endswith(".lock"))


def fails(name: str, data: Path, **options: Any) -> str:
    """The message of the error that preparing raises; nothing half-written stays."""
    before = left_in(data) if data.exists() else []
    with pytest.raises(EnvironmentProblem) as raised:
        prepare_dataset(name, data, **options)
    assert left_in(data) == before
    return str(raised.value)
