"""The plan as people read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from orchestrator.estimate import as_json, estimate, estimate_lines
from orchestrator.ledger import Ledger
from orchestrator.plan import Cell, SweepPlan
from orchestrator.run_directory import RunDirectory


def plan_text(plan: SweepPlan, run: RunDirectory) -> str:
    """Trials per axis, what is excluded, what is done, what the rest will take, and each network with its cost."""
    return "\n".join([*_summary(plan, run), "", *_cost_table(plan)])


def plan_json(plan: SweepPlan, run: RunDirectory) -> dict[str, Any]:
    """The plan as plain data, with what is done of it and the estimate of what is left."""
    done, failed, left = _standing(plan, run)
    progress = {"done": done, "failed": failed, "left": len(left)}
    expected = as_json(estimate(left, plan.keep, run.results))
    return plan.to_json({"warnings": list(plan.warnings), "progress": progress, "estimate": expected})


def _standing(plan: SweepPlan, run: RunDirectory) -> tuple[int, int, list[Cell]]:
    """Cells that are done and that were given up, and those that are still to be run."""
    ledger = Ledger.read(run.results)
    records = [ledger.record(cell.key) for cell in plan.cells]
    done = sum(record.finished for record in records)
    failed = sum(record.given_up() for record in records)
    return done, failed, ledger.left(plan.cells)


def _summary(plan: SweepPlan, run: RunDirectory) -> Iterator[str]:
    distinct = len({cell.trial_id for cell in plan.cells})
    yield f"sweep {plan.name}: {len(plan.cells)} trials" + (
        f" ({distinct} distinct)" if distinct < len(plan.cells) else ""
    )
    for axis, values in _axes(plan).items():
        yield f"  {axis:9} " + ", ".join(f"{value} ({count})" for value, count in values.items())
    for exclusion in plan.excluded:
        rule = ", ".join(f"{axis}: {value}" for axis, value in exclusion.rule.items())
        yield f"  excluded  {exclusion.cells} trials by {{{rule}}}"
    done, failed, left = _standing(plan, run)
    yield f"  done      {done}, failed {failed}, to run {len(left)}  ({run.path})"
    yield from estimate_lines(estimate(left, plan.keep, run.results))
    for warning in plan.warnings:
        yield f"  warning   {warning}"


def _axes(plan: SweepPlan) -> dict[str, Counter[str]]:
    return {
        "model": Counter(cell.spec.model for cell in plan.cells),
        "template": Counter(cell.template for cell in plan.cells),
        "dataset": Counter(cell.spec.dataset for cell in plan.cells),
        "seed": Counter(str(cell.spec.seed) for cell in plan.cells),
    }


def _cost_table(plan: SweepPlan) -> Iterator[str]:
    """One line for each distinct network: its matched width and what it costs."""
    header = f"{'model':12} {'template':12} {'dataset':14} {'n':>5} {'params':>12} {'macs':>15} {'budget error':>12}"
    yield header
    networks: dict[tuple[str, str, str], Cell] = {}
    for cell in plan.cells:
        networks.setdefault((cell.spec.model, cell.template, cell.spec.dataset), cell)
    for (model, template, dataset), cell in networks.items():
        n = "-" if cell.n is None else str(cell.n)
        yield (
            f"{model:12} {template:12} {dataset:14} {n:>5} {cell.cost.params:>12,} {cell.cost.macs:>15,} "
            f"{cell.budget_error:>+11.2%}"
        )
