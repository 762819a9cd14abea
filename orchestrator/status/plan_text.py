"""The plan as text and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fdt_core.files.json_file import DamagedFile
from fdt_core.results.cell_filter import AXES
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.estimate import as_json, estimate, estimate_lines
from orchestrator.run.launch_record import Launch
from orchestrator.run.plan_change import PlanChange, change_to


def plan_text(launch: Launch) -> str:
    """Trials per axis, what is excluded, what is done, what the rest will cost, and each network with its cost."""
    return "\n".join([*_summary(launch), "", *_cost_table(launch.plan)])


def plan_json(launch: Launch) -> dict[str, object]:
    """The plan as plain data, with its progress, the estimate of what is left, and what would change.

    `plan_change` holds the counts against the plan of the last launch; None if there is none to compare.
    """
    done, failed, left = _standing(launch)
    return launch.plan.to_json(
        {
            "warnings": list(launch.plan.warnings),
            "width_steps": {model: list(steps) for model, steps in launch.plan.width_steps.items()},
            "progress": {"done": done, "failed": failed, "left": len(left)},
            "estimate": as_json(estimate(left, launch.plan.keep, launch.run.results, launch.parts)),
            "plan_change": None if (change := _change(launch)) is None else change.to_json(),
        }
    )


def _standing(launch: Launch) -> tuple[int, int, list[Cell]]:
    """How many cells are done, how many were given up, and those still to be run."""
    ledger = launch.expected()
    records = [ledger.record(cell.trial_id) for cell in launch.plan.cells]
    done = sum(record.finished for record in records)
    failed = sum(record.given_up for record in records)
    return done, failed, ledger.left(launch.plan.cells)


def _change(launch: Launch) -> PlanChange | None:
    try:
        return change_to(launch)
    except DamagedFile:  # a launch asks whether to replace it
        return None


def _summary(launch: Launch) -> Iterator[str]:
    plan = launch.plan
    distinct = len({cell.trial_id for cell in plan.cells})
    yield f"sweep {plan.name}: {len(plan.cells)} trials" + (
        f" ({distinct} distinct)" if distinct < len(plan.cells) else ""
    )
    for axis, values in _axes(plan).items():
        yield f"  {axis:9} " + ", ".join(f"{value} ({count})" for value, count in values.items())
    for exclusion in plan.excluded:
        rule = ", ".join(f"{axis}: {value}" for axis, value in exclusion.rule.items())
        yield f"  excluded  {exclusion.cells} trials by {{{rule}}}"
    done, failed, left = _standing(launch)
    yield f"  done      {done}, failed {failed}, to run {len(left)}  ({launch.run.path})"
    change = _change(launch)
    if change is not None and (change.dropped or change.new):
        yield f"  changes   against the plan of the last launch: {change}"
    yield from estimate_lines(estimate(left, plan.keep, launch.run.results, launch.parts))
    for index, (model, (least, most)) in enumerate(plan.width_steps.items()):
        yield f"  {'' if index else 'step of n':9} {model}: {least:.2%} to {most:.2%} of the budget"
    for warning in plan.warnings:
        yield f"  warning   {warning}"


def _axes(plan: SweepPlan) -> dict[str, Counter[str]]:
    """For each axis, how many cells have each value; without variants, that axis is left out."""
    every = [cell.axes for cell in plan.cells]
    counts = {axis: Counter(str(axes[axis]) for axes in every) for axis in AXES}
    return {axis: values for axis, values in counts.items() if set(values) != {""}}


def _cost_table(plan: SweepPlan) -> Iterator[str]:
    """One line for each distinct network: its matched width and what it costs."""
    networks: dict[tuple[str, str, str], Cell] = {}
    for cell in plan.cells:
        networks.setdefault((cell.spec.model, cell.template, cell.spec.dataset), cell)
    names = [max(least, *(len(names[axis]) for names in networks)) for axis, least in enumerate((12, 12, 14))]
    aligned = " ".join(f"{{:{size}}}" for size in names)
    yield aligned.format("model", "template", "dataset") + f" {'n':>5} {'params':>12} {'macs':>15} {'budget error':>12}"
    for key, cell in networks.items():
        n = "-" if cell.n is None else str(cell.n)
        yield (
            f"{aligned.format(*key)} {n:>5} {cell.cost.params:>12,} {cell.cost.macs:>15,} {cell.budget_error:>+11.2%}"
        )
