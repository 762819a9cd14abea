"""The costs that tables and figures compare: column, name, unit, digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fdt_core.errors import unknown_name


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A cost of a cell.

    Args:
        name: the name that users type.
        column: its column among the cells of a study.
        label: its heading.
        unit: the unit shown.
        scale: the number of stored units in one unit shown.
        decimals: digits shown after the point; as in the paper for the costs that it prints.
        measured: whether it was measured on a device, and so varies.
        paper_column: the column with which the paper's tables are reproduced, if it is another one.
        paper_decimals: the digits that the paper prints, if they are others.
    """

    name: str
    column: str
    label: str
    unit: str
    scale: float = 1.0
    decimals: int = 2
    measured: bool = False
    paper_column: str = ""
    paper_decimals: int | None = None

    @property
    def stored_unit(self) -> str:
        """The unit of the stored values; empty for a count."""
        return self.unit if self.scale == 1 else ""

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})"

    def of_paper(self) -> Cost:
        """The same cost as the paper computes and prints it."""
        decimals = self.decimals if self.paper_decimals is None else self.paper_decimals
        return replace(self, column=self.paper_column or self.column, decimals=decimals)

    def fitting(self, cells: pd.DataFrame) -> Cost:
        """The same cost, in thousands if millions would hide the digits of small networks."""
        if self.unit == "M" and cells[self.column].max() < 1e6:
            return replace(self, unit="k", scale=1e3)
        return self


_KNOWN = (
    Cost(name="params", column="params", label="Parameters", unit="M", scale=1e6),
    Cost(name="macs", column="macs", label="MACs", unit="M", scale=1e6, decimals=1),
    Cost(name="paper_flops", column="paper_flops", label="Paper FLOPs", unit="M", scale=1e6, decimals=0),
    Cost(
        name="memory", column="uncut_memory_mb", label="Memory", unit="MB", paper_column="memory_mb", paper_decimals=1
    ),
    Cost(name="activations", column="activations", label="Activations", unit="M", scale=1e6),
    Cost(name="latency", column="latency_ms", label="Inference", unit="ms", measured=True),
    Cost(name="training", column="train_seconds", label="Training", unit="s", decimals=1, measured=True),
    Cost(name="peak_memory", column="peak_memory_mb", label="Peak memory", unit="MB", decimals=0, measured=True),
)

COSTS = {cost.name: cost for cost in _KNOWN}
"""Every cost, by its name."""

SHOWN = ("params", "macs", "memory", "latency", "training")
"""The costs that a comparison shows by default."""

PAPER = ("params", "memory", "latency")
"""The costs of the paper's tables."""


def costs(names: Iterable[str]) -> Sequence[Cost]:
    """The costs with these names; UsageError with the known names if one is unknown."""
    wanted = list(names)
    for name in wanted:
        if name not in COSTS:
            raise unknown_name("cost", name, COSTS)
    return [COSTS[name] for name in wanted]


def measured_costs(cells: pd.DataFrame, names: Iterable[str], *, paper: bool = False) -> list[Cost]:
    """The costs with these names that at least one cell has, in the unit that fits them; with `paper`, in its form."""
    wanted = [cost.of_paper() if paper else cost for cost in costs(names)]
    return [cost.fitting(cells) for cost in wanted if cells[cost.column].notna().any()]
