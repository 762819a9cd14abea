"""What identifies the cells in rows of `trials`, and the measurements in rows of `profiles`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BASE = "base"
"""The template that all others are compared with."""

CELL_KEY = ("trial_id", "sweep", "model", "template", "dataset", "variant", "budget_rule")
"""The columns that identify a cell among the finished rows of a run."""

_NETWORK = ("model", "width", "widths", "params", "macs", "paper_flops")
_SETTING = ("threads", "precision")


def cell_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of `CELL_KEY` in a row of `trials` or in a planned trial."""
    return tuple(row[name] for name in CELL_KEY)


def trial_label(row: Mapping[str, Any]) -> str:
    """How messages name the trial of a row, or a planned trial: `vgg11 base digits lr_low seed 0`."""
    candidate = row["candidate"] if row["stage"] == "tuning" else ""
    names = (row["model"], row["template"], row["dataset"], row["variant"], candidate)
    return f"{' '.join(filter(None, names))} seed {row['seed']}"


def measurement_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What determines a measurement on a given device: the network itself and how it was run.

    `row` is a row of `profiles` or `trials`, or a planned trial. Labels do not count: templates with the same filters,
    and data sets with images of the same shape, share a measurement. The image's shape and the number of classes show
    in the computed costs, which `profiles` has always had. Rows from before `channels_last` was recorded count as
    measured in the default layout.
    """
    network = tuple(_hashable(row[name]) for name in _NETWORK)
    setting = tuple(row[name] for name in _SETTING)
    return (*network, *setting, row["channels_last"] is not False)


def _hashable(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else tuple(value)
