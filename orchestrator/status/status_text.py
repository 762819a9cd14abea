"""The state of a run as text."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from fdt_core.quantities import about, counted
from fdt_core.results.keys import trial_label
from fdt_core.results.planned import left_out
from orchestrator.run.driver_status import RunningStatus
from orchestrator.status.run_status import SILENT_SECONDS, CellCounts, FormerRows, RunStatus
from orchestrator.status.slurm_status import slurm_lines


def status_text(status: RunStatus, *, former: bool = False) -> str:
    """The status as text; with `former`, also what the rows of former plans are."""
    return "\n".join([*_lines(status), *_former_lines(status.former, shown=former)])


def _lines(status: RunStatus) -> Iterator[str]:
    progress = status.progress
    yield f"{status.sweep}: {status.state}  ({status.run})"
    spared = f"{progress.spared} spared{' so far' if progress.left else ''}, " if progress.spared else ""
    spared += f"{progress.stopped} stopped by tuning, " if progress.stopped else ""
    yield (
        f"  {progress.done} done, {progress.diverged} diverged, {progress.failed} failed, {spared}"
        f"{progress.left} left of {progress.total}"
    )
    if (looks := status.looks) is not None:
        settled = ", ".join(f"{count} {verdict}" for verdict, count in sorted(looks.settled.items()))
        shown = f" ({settled})" if settled else ""
        yield f"  {sum(looks.settled.values())} of {counted(looks.comparisons, 'comparison')} with base settled{shown}"
    if (tuning := status.tuning) is not None:
        lost = f"; {tuning.lost} not compared, as no candidate has a result" if tuning.lost else ""
        yield f"  settings chosen for {tuning.chosen} of {tuning.groups}{lost} (see: fdt-sweep results --table tuning)"
    if progress.held_back:
        yield (
            f"  {progress.held_back} held back: every trial of their model and template failed; "
            f"fix the cause, then: fdt-sweep retry {shlex.quote(status.run)}"
        )
    yield from _driver_lines(status)
    yield from _cell_lines(status.cells)
    if status.slurm is not None:
        yield from slurm_lines(status.slurm)
    for trial in status.running:
        yield "  " + _running_line(trial)
    if status.more_running:
        yield f"  and {status.more_running} more, which have not run as long (all: {status.run}/running.json)"
    for signature, count in status.failures.items():
        yield f"  {count} x {signature}"
    for note in status.notes:
        yield f"  {note}"


def _driver_lines(status: RunStatus) -> Iterator[str]:
    """Whether the driver is dead, or may only be slow."""
    driver, silent = status.driver, status.silent_seconds
    if driver is None:
        return
    if status.driver_is_gone:
        yield f"  the driver (process {driver.pid} on {driver.host}) has died: launch again, and the sweep continues"
    elif silent is not None and silent > SILENT_SECONDS:
        yield f"  the driver (process {driver.pid} on {driver.host}) has been silent for {silent:.0f} s;"
        yield "  if it is gone, launch again: the sweep continues from the results and checkpoints"


def _cell_lines(cells: Sequence[CellCounts]) -> Iterator[str]:
    """For each model, data set and variant, how many trials of each template have ended."""
    groups: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        failed = f" ({cell.failed} failed)" if cell.failed else ""
        verdict = f" {cell.verdict}" if cell.verdict else ""
        name = " ".join(filter(None, (cell.model, cell.dataset, cell.variant)))
        groups[name].append(f"{cell.template} {cell.ended}/{cell.ended + cell.left}{failed}{verdict}")
    for name, counts in sorted(groups.items()):
        yield f"  {name}:  " + "  ".join(sorted(counts))


def _running_line(trial: RunningStatus) -> str:
    parts = [trial.trial_id, trial_label(asdict(trial)), f"epoch {trial.epoch}/{trial.epochs}"]
    if trial.test_accuracy is not None:
        parts.append(f"{trial.test_accuracy:.2f} %")
    if trial.images_per_second is not None:
        parts.append(f"{trial.images_per_second:.0f} images/s")
    if trial.eta_seconds is not None:
        parts.append(f"{about(trial.eta_seconds)} left")
    return "  ".join([*parts, trial.host])


def _former_lines(former: FormerRows, *, shown: bool) -> Iterator[str]:
    if former.rows and not shown:
        yield f"  {left_out(former.rows)}"
    for count in former.counts if shown else ():
        name = " ".join(filter(None, (count.model, count.template, count.dataset, count.variant)))
        yield f"  former plan, counted nowhere: {name}:  {count.rows} {count.status}"
