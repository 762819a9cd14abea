"""The plan as text and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from fdt_core.files.json_file import DamagedFile
from fdt_core.quantities import about, points
from fdt_core.results.cell_filter import AXES
from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks
from fdt_core.results.tuning import TUNED, Tuning
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.estimate import as_json, estimate, estimate_lines
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.launch_record import Launch
from orchestrator.run.plan_change import PlanChange, change_to


def plan_text(launch: Launch) -> str:
    """Trials per axis, what is excluded, what is done, what the rest will cost, and each network with its cost."""
    return "\n".join([*_summary(launch), "", *_cost_table(launch.plan)])


def plan_json(launch: Launch) -> dict[str, object]:
    """The plan as plain data, with its progress, the estimate of what is left, and what would change.

    `plan_change` holds the counts against the plan of the last launch; None if there is none to compare.
    """
    standing = _standing(launch)
    return launch.plan.to_json(
        {
            "warnings": list(launch.plan.warnings),
            "width_steps": {model: list(steps) for model, steps in launch.plan.width_steps.items()},
            "progress": {"done": standing.done, "failed": standing.failed, "left": len(standing.left)},
            "estimate": as_json(estimate(standing.most_left, launch.plan.keep, launch.run.results, launch.parts)),
            "adaptive_seeds": None if (range_ := _range(launch, standing)) is None else asdict(range_),
            "plan_change": None if (change := _change(launch)) is None else change.to_json(),
        }
    )


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """Where a plan stands: how many cells are done or given up, and those to be run now, and at most."""

    done: int
    failed: int
    left: list[Cell]
    most_left: list[Cell]
    wanted: WantedCells


def _standing(launch: Launch) -> _Standing:
    ledger, cells = launch.expected(), launch.plan.cells
    wanted, left = WantedCells(cells, launch.plan.looks, ledger, launch.plan.tuning), ledger.left(cells)
    records = [ledger.record(cell.trial_id) for cell in cells if wanted.counts(cell)]
    most_left = wanted.at_most(left)
    return _Standing(
        done=sum(record.finished for record in records) + wanted.stopped,
        failed=sum(record.given_up for record in records),
        left=most_left if wanted.tuned else [cell for cell in left if wanted.wants(cell.trial_id)],
        most_left=most_left,
        wanted=wanted,
    )


@dataclass(frozen=True, kw_only=True)
class _Range:
    """Trainings that a sweep with adaptive seeds still takes, and the hours on one device."""

    least: int
    likely: float
    most: int
    least_device_hours: float
    likely_device_hours: float
    most_device_hours: float
    error: float
    error_is_measured: bool


def _range(launch: Launch, standing: _Standing) -> _Range | None:
    """How much is left at least, likely and at most; None if the number of seeds is given."""
    plan, left, most = launch.plan, standing.left, standing.most_left
    if plan.looks is None:
        return None
    from orchestrator.run.adaptive.likely_trainings import likely_trainings

    likely = likely_trainings(standing.wanted, plan.looks)
    hours = [estimate(cells, plan.keep, launch.run.results, launch.parts).device_hours for cells in (left, most)]
    part = (likely.count - len(left)) / max(len(most) - len(left), 1)
    return _Range(
        least=len(left),
        likely=likely.count,
        most=len(most),
        least_device_hours=hours[0],
        likely_device_hours=hours[0] + part * (hours[1] - hours[0]),
        most_device_hours=hours[1],
        error=likely.error,
        error_is_measured=likely.measured,
    )


def _range_lines(range_: _Range, looks: Looks) -> Iterator[str]:
    """When the sweep looks, and how much is left at least, likely and at most."""
    *earlier, last = map(str, looks.seeds)
    at = f"{', '.join(earlier)} and {last}" if earlier else last
    settled = f"settled at a margin of {points(looks.margin)}" if looks.stops else "only reported"
    family = "the whole study" if looks.family == "study" else "each model and data set"
    yield f"  looks     at {at} seeds; {settled}; {100 * looks.error:g} % error for {family}"
    if not range_.most:
        return
    for name, count, hours in (
        ("least", range_.least, range_.least_device_hours),
        ("likely", round(range_.likely), range_.likely_device_hours),
        ("most", range_.most, range_.most_device_hours),
    ):
        yield f"  {name:9} {count} trainings, {about(3600 * hours)} on one device"
    source = "measured in this run" if range_.error_is_measured else "a guess, as nothing is measured in this run"
    yield f"            (likely: simulated; a training varies by {points(range_.error)}, {source})"


def _change(launch: Launch) -> PlanChange | None:
    try:
        return change_to(launch)
    except DamagedFile:  # a launch asks whether to replace it
        return None


def _summary(launch: Launch) -> Iterator[str]:
    plan, standing = launch.plan, _standing(launch)
    compared = list(standing.wanted.compared())
    distinct = len({cell.trial_id for cell in compared})
    at_most = "at most " if plan.looks else ""
    yield f"sweep {plan.name}: {at_most}{len(compared)} trials" + (
        f" ({distinct} distinct)" if distinct < len(compared) else ""
    )
    if plan.tuning is not None:
        yield from _tuning_lines(plan, plan.tuning)
    for axis, values in _axes(compared).items():
        yield f"  {axis:9} " + ", ".join(f"{value} ({count})" for value, count in values.items())
    for exclusion in plan.excluded:
        rule = ", ".join(f"{axis}: {value}" for axis, value in exclusion.rule.items())
        yield f"  excluded  {exclusion.cells} trials by {{{rule}}}"
    yield f"  done      {standing.done}, failed {standing.failed}, to run {len(standing.left)}  ({launch.run.path})"
    change = _change(launch)
    if change is not None and (change.dropped or change.new):
        yield f"  changes   against the plan of the last launch: {change}"
    if (range_ := _range(launch, standing)) is not None and plan.looks is not None:
        yield from _range_lines(range_, plan.looks)
    yield from estimate_lines(estimate(standing.most_left, plan.keep, launch.run.results, launch.parts))
    for index, (model, (least, most)) in enumerate(plan.width_steps.items()):
        yield f"  {'' if index else 'step of n':9} {model}: {least:.2%} to {most:.2%} of the budget"
    for warning in plan.warnings:
        yield f"  warning   {warning}"


def _tuning_lines(plan: SweepPlan, tuning: Tuning) -> Iterator[str]:
    """How many trainings choose the settings, with how many epochs."""
    tuned = [cell for cell in plan.cells if cell.stage == TUNED]
    per = "each model, template and data set" if tuning.every_template else f"{BASE} on each data set, used by all"
    fields = ", ".join(part.partition("=")[0] for part in tuning.candidates[0].split("/"))
    # Every group has all candidates of the pool, and trains an equal share of them.
    trainings = len({cell.trial_id for cell in tuned}) * tuning.trials // len(tuning.candidates)
    yield f"  tuning    before them {trainings} trainings: {tuning.trials} candidates ({fields}) for {per}"
    if tpe := tuning.tpe:
        yield f"            {tpe.batch} drawn at random, alike for all; then TPE asks for {tpe.batch} at a time"
    schedules: dict[tuple[tuple[int, ...], float], dict[str, None]] = {}
    for cell in tuned:
        place = " ".join(filter(None, (cell.variant, cell.spec.dataset)))
        schedules.setdefault((cell.rungs, cell.spec.recipe.validation), {})[place] = None
    for (rungs, held_out), where in schedules.items():
        places = [tuning.trials, *(tuning.places(rung) for rung in range(1, len(rungs)))]
        going = [f"{count} to epoch {epoch}" for count, epoch in zip(places, rungs, strict=True)]
        alone = next((rung for rung, count in enumerate(places) if count == 1), len(places))
        named = f"{', '.join(where)}: " if len(schedules) > 1 else ""
        judges = f"judged by {100 * held_out:g} % of the training images"
        yield f"            {named}{', '.join(going[:alone])}; {judges}"


def _axes(cells: Sequence[Cell]) -> dict[str, Counter[str]]:
    """For each axis, how many cells have each value; without variants, that axis is left out."""
    every = [cell.axes for cell in cells]
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
