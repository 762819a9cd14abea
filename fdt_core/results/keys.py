"""What identifies the cells that rows of `trials` stand for, and the measurements that rows of `profiles` hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CELL_KEY = ("trial_id", "sweep", "model", "template", "dataset", "budget_rule")
"""What makes a cell of a plan one row among the finished rows of a run."""

_NETWORK = ("model", "width", "widths", "params", "macs", "paper_flops")
_SETTING = ("threads", "precision", "channels_last")


def cell_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of `CELL_KEY` in a row of `trials`, or in a trial of a plan."""
    return tuple(row[name] for name in CELL_KEY)


def trial_label(row: Mapping[str, Any]) -> str:
    """How people are told which trial a row, or a trial of a plan, is about: `vgg11 base digits seed 0`."""
    return f"{row['model']} {row['template']} {row['dataset']} seed {row['seed']}"


def measurement_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a measured speed belongs to, beside the device: the network itself and how it was run.

    `row` is a row of `profiles`, or of `trials` or a plan. Labels do not count: templates with the same filters, and
    data sets with images of the same shape, share a measurement. The image's shape and the number of classes show in
    the computed counts, which `profiles` has always had. Rows from before `channels_last` was recorded count as
    measured in the default layout.
    """
    network = tuple(_hashable(row[name]) for name in _NETWORK)
    setting = tuple(row[name] for name in _SETTING[:-1])
    return (*network, *setting, row["channels_last"] is not False)


def _hashable(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else tuple(value)
