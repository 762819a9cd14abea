"""The tables: the comparison as in the paper (tables 1 and 2), one for each model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pandas as pd

from analysis.cells import BASE, datasets_in_order, templates_in_order
from analysis.rounding import Rounding
from analysis.table import Column, Entry, Table

FEWER = "†"
OFF_BUDGET = "‡"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A cost that tables and figures show: its column, its name with the unit, how many of its unit are one shown."""

    column: str
    name: str
    unit: str
    scale: float = 1.0
    decimals: int = 2

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})"


COSTS = (
    Cost(column="params", name="Param", unit="M", scale=1e6),
    Cost(column="macs", name="MACs", unit="M", scale=1e6, decimals=1),
    Cost(column="memory_mb", name="Mem", unit="MB", decimals=1),
    Cost(column="latency_ms", name="Inference", unit="ms"),
    Cost(column="train_seconds", name="Training", unit="s", decimals=1),
)


def comparison(
    cells: pd.DataFrame, *, rounding: Rounding, costs: tuple[Cost, ...] = COSTS, budget_tolerance: float = 0.01
) -> list[Table]:
    """One table per run, model and width: a row per template, each cost with per cent below base, accuracy per data set.

    Args:
        cells: what `analysis.cells.summarise` gives, with `latency_ms`.
        rounding: how numbers are shown.
        costs: which costs; those that were not measured are left out.
        budget_tolerance: budget errors above it are marked.
    """
    return [
        _model_table(model_cells, f"{run}: {model_name(model, width)}", rounding, costs, budget_tolerance)
        for (run, model, width), model_cells in cells.groupby(["run", "model", "width"])
    ]


def model_name(model: str, width: float) -> str:
    """The model, with the multiplier of its filters where it is not 1."""
    return model if width == 1 or pd.isna(width) else f"{model} x {width:g}"


def _model_table(
    cells: pd.DataFrame, title: str, rounding: Rounding, costs: tuple[Cost, ...], budget_tolerance: float
) -> Table:
    templates, datasets = templates_in_order(cells), datasets_in_order(cells)
    # Parameters and times depend on the data set (classes, image size): the table shows those of the first.
    first = cells[cells["dataset"] == datasets[0]].set_index("template").reindex(templates)
    columns: list[Column] = [Column(name="Template", align="left")]
    entries: list[list[Entry]] = [[Entry(parts=(name,), value=name) for name in templates]]
    for cost in costs:
        if first[cost.column].notna().any():
            cost = _scaled(cost, first)
            columns += [Column(name=cost.title), Column(name="% ↓")]
            entries += _cost_entries(first[cost.column], cost, rounding)
    for dataset in datasets:
        columns.append(Column(name=dataset, group="Accuracy (%)", parts=("mean", "std")))
        of_dataset = cells[cells["dataset"] == dataset].set_index("template").reindex(templates)
        entries.append(_accuracy_entries(of_dataset, rounding, budget_tolerance))
    columns.append(Column(name="Seeds"))
    entries.append([_seeds_entry(cells[cells["template"] == template]) for template in templates])
    notes = _notes(cells, datasets, budget_tolerance)
    return Table(title=title, columns=tuple(columns), rows=tuple(zip(*entries, strict=True)), notes=notes)


def _scaled(cost: Cost, cells: pd.DataFrame) -> Cost:
    """Counts of small networks are shown in thousands, so that their digits are not lost."""
    if cost.unit == "M" and cells[cost.column].max() < 1e6:
        return replace(cost, unit="k", scale=1e3)
    return cost


def _cost_entries(values: pd.Series[float], cost: Cost, rounding: Rounding) -> list[list[Entry]]:
    """The entries of a cost and of its per cent below base. The lowest are the best."""
    shown = [None if pd.isna(value) else rounding.cut(value / cost.scale, cost.decimals) for value in values]
    base = values.get(BASE)
    percents = [
        None
        if pd.isna(value) or base is None or pd.isna(base) or template == BASE
        else rounding.percent_below(value / cost.scale, base / cost.scale, cost.decimals)
        for template, value in values.items()
    ]
    return [
        _entries(shown, best=min),
        [Entry() if p is None else Entry(parts=(f"{p}",), value=float(p)) for p in percents],
    ]


def _entries(shown: list[Decimal | None], best: type[min] | type[max]) -> list[Entry]:
    present = [number for number in shown if number is not None]
    winner = best(present) if len(set(present)) > 1 else None
    return [
        Entry(parts=("–",))
        if number is None
        else Entry(parts=(f"{number}",), value=float(number), best=number == winner)
        for number in shown
    ]


def _accuracy_entries(cells: pd.DataFrame, rounding: Rounding, budget_tolerance: float) -> list[Entry]:
    means = [None if pd.isna(mean) else rounding.cut(mean, 2) for mean in cells["mean"]]
    present = [mean for mean in means if mean is not None]
    best = max(present) if len(set(present)) > 1 else None
    return [
        _accuracy_entry(cell, mean, mean is not None and mean == best, rounding, budget_tolerance)
        for mean, (_, cell) in zip(means, cells.iterrows(), strict=True)
    ]


def _accuracy_entry(
    cell: pd.Series, mean: Decimal | None, best: bool, rounding: Rounding, budget_tolerance: float
) -> Entry:
    if pd.isna(cell["seeds"]):
        return Entry(parts=("–",))
    marks = (FEWER if cell["done"] < cell["seeds"] else "") + (
        OFF_BUDGET if abs(cell["budget_error"]) > budget_tolerance else ""
    )
    if mean is None:
        return Entry(parts=(_why_absent(cell),), marks=marks)
    std = ("" if pd.isna(cell["std"]) else f"{rounding.cut(cell['std'], 2)}") or "–"
    return Entry(parts=(f"{mean}", std), value=float(mean), best=best, marks=marks)


def _why_absent(cell: pd.Series) -> str:
    """The commonest reason why a cell has no accuracy."""
    return max(("failed", "diverged", "missing"), key=lambda status: cell[status])


def _seeds_entry(cells: pd.DataFrame) -> Entry:
    low, high = int(cells["done"].min()), int(cells["done"].max())
    return Entry(parts=(f"{low}" if low == high else f"{low}-{high}",), value=low)


def _notes(cells: pd.DataFrame, datasets: list[str], budget_tolerance: float) -> tuple[str, ...]:
    notes = ["Accuracy: mean ± standard deviation (ddof 1) over seeds. % ↓: per cent below base."]
    if len(datasets) > 1:
        notes.append(f"Costs and times are those for {datasets[0]}.")
    for _, cell in cells[cells["done"] < cells["seeds"]].iterrows():
        lost = ", ".join(f"{int(cell[s])} {s}" for s in ("failed", "diverged", "missing") if cell[s])
        notes.append(
            f"{FEWER} {cell['template']} on {cell['dataset']}: {int(cell['done'])} of {int(cell['seeds'])} seeds done; {lost}."
        )
    off = cells[cells["budget_error"].abs() > budget_tolerance].drop_duplicates("template")
    for _, cell in off.iterrows():
        notes.append(
            f"{OFF_BUDGET} {cell['template']}: {cell['budget_metric']} is off its target by {100 * cell['budget_error']:+.2f} %."
        )
    return tuple(notes)
