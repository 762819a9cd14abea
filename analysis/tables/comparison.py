"""The comparison of templates, one table per model, as in the paper (tables 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.costs import SHOWN, Cost, measured_costs
from analysis.keys import STATUSES, dataset_order, template_order
from analysis.measurements import NOISY, on_one_device
from analysis.records import Record, by_template, of_block
from analysis.rounding import Rounding
from analysis.study import Study
from analysis.tables.numbers import best_marked, mean_and_std, number
from analysis.tables.table import Column, Entry, Table, text_column, transposed, word
from fdt_core.quantities import counted
from fdt_core.results.keys import BASE

FEWER = "†"
OFF_BUDGET = "‡"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a comparison is shown.

    Args:
        rounding: how numbers are cut to the digits shown.
        costs: names of the costs, each with its difference to base in per cent; costs that no cell has are left out.
        decimals: digits of the accuracy after the point.
        budget_tolerance: a cell is marked if its budget error (achieved / target - 1) exceeds this either way.
        accuracy_first: whether accuracy comes before the costs, as a narrow screen needs it.
    """

    rounding: Rounding = field(default_factory=Rounding)
    costs: tuple[str, ...] = SHOWN
    decimals: int = 2
    budget_tolerance: float = 0.01
    accuracy_first: bool = False


def comparison(study: Study, layout: Layout | None = None) -> list[Table]:
    """A table per run, model, width and variant; a row per template with costs, accuracy per data set, and seeds."""
    return [_model_table(study, cells, title, layout or Layout()) for title, cells in study.blocks()]


def _model_table(study: Study, cells: pd.DataFrame, title: str, layout: Layout) -> Table:
    templates = template_order(cells["template"])
    datasets = dataset_order(cells["dataset"])
    # Parameters and times depend on the data set (classes, image size): as in the paper, those of the first are shown.
    first = cells[cells["dataset"] == datasets[0]].set_index("template").reindex(templates)
    costs = measured_costs(first, layout.costs, paper=layout.rounding.percent_of_shown)
    seeds = cells.groupby("template")["done"].agg(["min", "max"]).reindex(templates)
    of_costs = [column for cost in costs for column in _cost_columns(first[cost.column], cost, layout.rounding)]
    of_accuracy = [
        _accuracy_column(study, cells[cells["dataset"] == name], name, templates, layout) for name in datasets
    ]
    shown = [
        (text_column("Template"), [word(template) for template in templates]),
        *((*of_accuracy, *of_costs) if layout.accuracy_first else (*of_costs, *of_accuracy)),
        (Column(name="Seeds"), [_seeds_entry(low, high) for low, high in seeds.itertuples(index=False)]),
    ]
    return Table(
        title=title,
        columns=tuple(column for column, _ in shown),
        rows=transposed([entries for _, entries in shown]),
        notes=tuple(_notes(study, cells, costs, datasets, layout)),
    )


def accuracy_title(study: Study) -> str:
    """The heading of accuracies; it names the epoch they are from."""
    return f"{study.accuracy.capitalize()} accuracy (%)"


def _cost_columns(
    values: pd.Series[float], cost: Cost, rounding: Rounding
) -> tuple[tuple[Column, list[Entry]], tuple[Column, list[Entry]]]:
    """A cost by template, the lowest marked as best, and its difference to base in per cent."""
    base = float(values.get(BASE, math.nan))
    percents = [
        Entry(parts=("",)) if template == BASE else _percent_entry(value, base, cost, rounding)
        for template, value in values.items()
    ]
    shown = [number(value, cost.decimals, rounding, scale=cost.scale) for value in values]
    return (
        (Column(group=cost.title, key=cost.column, unit=cost.stored_unit), best_marked(shown, best=min)),
        (Column(group=cost.title, name="vs base", key=f"{cost.column}_vs_base_percent", unit="%"), percents),
    )


def _percent_entry(value: float, base: float, cost: Cost, rounding: Rounding) -> Entry:
    percent = rounding.percent_from(value / cost.scale, base / cost.scale, cost.decimals)
    if percent is None:
        return Entry(parts=("",))
    return Entry(parts=(f"{percent:+}",), values=(100 * (value - base) / base,))


def _accuracy_column(
    study: Study, cells: pd.DataFrame, dataset: str, templates: Sequence[str], layout: Layout
) -> tuple[Column, list[Entry]]:
    """The accuracy on a data set by template, the highest marked as best."""
    found = by_template(cells)
    entries = [accuracy_entry(found[name], layout) if name in found else Entry() for name in templates]
    column = Column(
        name=dataset,
        group=accuracy_title(study),
        parts=("mean", "std"),
        key=f"{study.accuracy}_accuracy_{dataset}",
        unit="%",
    )
    return column, best_marked(entries, best=max)


def accuracy_entry(cell: Record, layout: Layout) -> Entry:
    """Mean and standard deviation of a cell, or the outcome of its seeds, with the marks of its notes."""
    marks = (FEWER if cell["done"] < cell["seeds"] else "") + (
        OFF_BUDGET if abs(cell["budget_error"]) > layout.budget_tolerance else ""
    )
    return mean_and_std(cell["mean"], cell["std"], layout.decimals, layout.rounding, absent=absence(cell), marks=marks)


def absence(cell: Record) -> str:
    """Why a cell has no accuracy: the most frequent status of its seeds."""
    return max(("failed", "diverged", "missing"), key=lambda status: cell[status])


def _seeds_entry(low: int, high: int) -> Entry:
    return Entry(parts=(f"{low}" if low == high else f"{low}-{high}",), values=(low,))


def _notes(study: Study, cells: pd.DataFrame, costs: list[Cost], datasets: list[str], layout: Layout) -> Iterator[str]:
    yield "Accuracy: mean ± standard deviation over seeds (ddof 1), test accuracy of the " + (
        "best epoch, which was chosen on the test set itself and is therefore biased upwards."
        if study.accuracy == "best"
        else "last epoch."
    )
    if costs:
        yield f"vs base: in per cent; minus is less than {BASE}." + (
            f" Costs are those for {datasets[0]}." if len(datasets) > 1 else ""
        )
    names = [cost.name for cost in costs]
    if "latency" in names:
        yield from latency_notes(cells, study.batch)
    if {"training", "peak_memory"} & set(names):
        yield from _training_notes(study, cells)
    yield from _first_few(_fewer_notes(cells))
    yield from _first_few(_budget_notes(cells, layout.budget_tolerance))


def latency_notes(cells: pd.DataFrame, batch: int) -> Iterator[str]:
    """On what the latencies of a model were measured, how they vary, and which are doubtful; nothing without any."""
    measured = cells.dropna(subset=["latency_ms"])
    if measured.empty:
        return
    first = measured.iloc[0]
    spread = (measured["latency_p90_ms"] - measured["latency_p10_ms"]) / measured["latency_ms"]
    varies = f"; 80 % of the measurements span up to {100 * spread.max():.0f} % of it" if spread.notna().any() else ""
    threads = "" if pd.isna(first["threads"]) else f", {counted(int(first['threads']), 'thread')}"
    yield (
        f"Inference: median of a batch of {batch} on {first['latency_device']}{threads}, {first['precision']}{varies}."
    )
    if noisy := template_order(measured.loc[spread > NOISY, "template"]):
        yield f"Inference of {', '.join(noisy)}: measured on a busy machine, it seems. Measure again when it is idle."


def _training_notes(study: Study, cells: pd.DataFrame) -> Iterator[str]:
    """On what the training times of a model were measured, and how many trials ran elsewhere."""
    if not (devices := sorted(set(cells["train_device"].dropna()))):
        return
    done = of_block(study.outcomes[study.outcomes["status"] == "done"], cells)
    others = int((~(done["device_name"].isin(devices) & on_one_device(done))).sum())
    left_out = f"; {counted(others, 'trial')} on other or several devices left out" if others else ""
    yield f"Training: mean over seeds on {', '.join(devices)}{left_out}."


def _first_few(notes: Iterable[str], few: int = 12) -> list[str]:
    """The first `few` notes, and the number of the rest."""
    every = list(notes)
    return every if len(every) <= few else [*every[:few], f"... and {len(every) - few} more like these."]


def _fewer_notes(cells: pd.DataFrame) -> Iterator[str]:
    fewer = cells[cells["done"] < cells["seeds"]]
    for (dataset, done, seeds, *lost), same in fewer.groupby(["dataset", "done", "seeds", *STATUSES[1:]]):
        counts = ", ".join(f"{count} {status}" for status, count in zip(STATUSES[1:], lost, strict=True) if count)
        templates = ", ".join(template_order(same["template"]))
        yield f"{FEWER} {templates}, {dataset}: {done} of {seeds} seeds done ({counts})."


def _budget_notes(cells: pd.DataFrame, tolerance: float) -> Iterator[str]:
    off = cells[cells["budget_error"].abs() > tolerance]
    for (template, error, metric), same in off.groupby(["template", "budget_error", "budget_metric"]):
        where = ", ".join(dataset_order(same["dataset"]))
        yield f"{OFF_BUDGET} {template}, {where}: {metric} is {float(str(error)):+.2%} off its target."
