"""The state of a run, from files alone: what is done, what runs, what failed, and whether the driver is alive."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from cluster.slurm.queue.slurm_commands import QueuedJob
from fdt_core.error_text import failure_signature
from fdt_core.files.json_file import DamagedFile
from fdt_core.results.keys import cell_key
from fdt_core.results.reader import PartReader, read_part
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.backlog import Backlog, Progress
from orchestrator.run.driver_lease import newest_generation, owner_here, owner_is_gone
from orchestrator.run.driver_status import DriverPlace, DriverStatus, RunningStatus
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import TrialRow, read_trial_rows
from orchestrator.status.slurm_status import SlurmStatus, slurm_status

SILENT_SECONDS = 30.0
"""A driver writes its status about once a second; after this long without, its silence is reported."""


class RunState(StrEnum):
    """What a run is doing."""

    NEW = "new"
    """No driver has run on it."""
    WAITING = "waiting"
    """Its jobs wait in Slurm's queue."""
    STARTING = "starting"
    """A driver is alive that has not written its status yet."""
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class CellCounts:
    """How many cells of one model, template, data set and variant are `done`, `diverged`, `failed`, `left` or `spared`.

    No zeros.
    """

    model: str
    template: str
    dataset: str
    variant: str
    counts: Mapping[str, int]
    verdict: str = ""
    """In a sweep with adaptive seeds: what the last look says of the template."""

    @property
    def left(self) -> int:
        """Cells still to be run."""
        return self.counts.get("left", 0)

    @property
    def failed(self) -> int:
        """Cells that were given up."""
        return self.counts.get("failed", 0)

    @property
    def ended(self) -> int:
        """Cells that are finished or were given up."""
        return sum(self.counts.values()) - self.left - self.counts.get("spared", 0)

    def to_json(self) -> dict[str, object]:
        """Plain data, for `status --json`."""
        names = {"model": self.model, "template": self.template, "dataset": self.dataset, "variant": self.variant}
        return {**names, **self.counts, **({"verdict": self.verdict} if self.verdict else {})}


@dataclass(frozen=True, kw_only=True)
class FormerCount:
    """How many rows of former plans share a model, template, data set, variant and status."""

    model: str
    template: str
    dataset: str
    variant: str
    status: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class FormerRows:
    """The rows that the plan does not ask for: how many in all, and counted."""

    rows: int
    counts: tuple[FormerCount, ...]


@dataclass(frozen=True, kw_only=True)
class LooksStatus:
    """The comparisons of a sweep with adaptive seeds: their number, those settled by verdict, and trainings spared.

    `spared` counts the trainings of settled templates alone; those of base are spared once all are settled.
    """

    comparisons: int
    settled: Mapping[str, int]
    spared: int


@dataclass(frozen=True)
class TuningStatus:
    """The groups that are tuned, such as a template of a model on a data set.

    Args:
        groups: how many there are.
        chosen: how many have their settings.
        lost: how many will have none, because no candidate has a result. They are not compared.
    """

    groups: int
    chosen: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """The state of a run.

    Args:
        run: path of the run directory.
        sweep: name of the sweep.
        state: what the run is doing.
        silent_seconds: since the driver last wrote; None if it is not running.
        progress: counts of cells.
        looks: how far the comparisons are, in a sweep with adaptive seeds.
        tuning: how far the tuning is, in a tuned sweep.
        cells: counts by model, template, data set and variant.
        running: the running trials.
        failures: failed attempts, counted by signature.
        former: rows of former plans.
        driver: the driver that last wrote a status.
        driver_is_gone: whether the driver died while it was running; True only if this machine can tell.
        slurm: head and workers; None for a local run.
        notes: what could not be read, a line each.
    """

    run: str
    sweep: str
    state: RunState
    silent_seconds: float | None
    progress: Progress
    looks: LooksStatus | None
    tuning: TuningStatus | None
    cells: tuple[CellCounts, ...]
    running: tuple[RunningStatus, ...]
    more_running: int
    failures: Mapping[str, int]
    former: FormerRows
    driver: DriverPlace | None
    driver_is_gone: bool
    slurm: SlurmStatus | None
    notes: tuple[str, ...]

    @property
    def is_under_way(self) -> bool:
        """Whether more is to be expected: the sweep waits, starts or runs, and its driver is not known to be dead.

        On Slurm a dead driver means little, because the head's job may be requeued: the head reports when all is over.
        """
        ended = self.driver_is_gone if self.slurm is None else self.slurm.is_over
        active = (RunState.WAITING, RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
        return self.state in active and not ended

    def to_json(self) -> dict[str, object]:
        """Plain data, for `status --json`."""
        return {
            "run": self.run,
            "sweep": self.sweep,
            "state": self.state,
            "silent_seconds": self.silent_seconds,
            "progress": self.progress.to_json(),
            "looks": None if self.looks is None else asdict(self.looks),
            "tuning": None if self.tuning is None else asdict(self.tuning),
            "cells": [cell.to_json() for cell in self.cells],
            "running": [asdict(trial) for trial in self.running],
            "more_running": self.more_running,
            "failures": dict(self.failures),
            "former": asdict(self.former),
            "driver": None if self.driver is None else asdict(self.driver),
            "driver_is_gone": self.driver_is_gone,
            "slurm": None if self.slurm is None else self.slurm.to_json(),
            "notes": list(self.notes),
        }


def run_status(
    run: RunDirectory, jobs: Sequence[QueuedJob] | None = None, *, part_reader: PartReader = read_part
) -> RunStatus:
    """The state of `run`. `jobs` are its jobs in Slurm's queue, if known.

    Raises UsageError if there is no plan, EnvironmentProblem if it is damaged or was written by a newer fdt-sweep.
    """
    plan, rows = run.plan(), read_trial_rows(run.results, part_reader)
    ledger, notes, status = Ledger(rows, run.forgiven()), [], None
    backlog = Backlog(plan.cells, ledger, plan.looks, plan.tuning)
    try:
        status = run.status()
    except DamagedFile as problem:  # the rows still show how far the sweep is
        notes = [str(problem)]
    wanted = {cell.key for cell in plan.cells}
    starts = _starts(run, status)
    driven = None if starts or status is None or status.state not in ("running", "stopping") else status
    slurm = slurm_status(run, jobs)
    silent = None if driven is None else (datetime.now(UTC) - driven.written_at).total_seconds()
    if slurm is not None and silent is not None and silent < SILENT_SECONDS:
        slurm = replace(slurm, head_trouble=None)  # the driver is alive: this machine's Slurm does not know its job
    if slurm is not None and driven is None and not slurm.is_over:
        state = RunState.WAITING
    elif starts:
        state = RunState.STARTING
    else:
        state = RunState.NEW if status is None else RunState(status.state)
    return RunStatus(
        run=str(run.path),
        sweep=plan.name,
        state=state,
        silent_seconds=silent,
        progress=backlog.progress(),
        looks=None if plan.looks is None else looks_status(backlog.wanted),
        tuning=None if backlog.wanted.tuned is None else TuningStatus(*backlog.wanted.tuned.groups()),
        cells=_cells(ledger, backlog.wanted),
        running=() if driven is None else driven.running,
        more_running=0 if driven is None else driven.more_running,
        failures=_failures(row for row in rows if cell_key(row) in wanted),
        former=_former([row for row in rows if cell_key(row) not in wanted]),
        driver=None if status is None else status.driver,
        driver_is_gone=driven is not None and owner_is_gone(run.driver),
        slurm=slurm,
        notes=tuple(notes),
    )


def _starts(run: RunDirectory, status: DriverStatus | None) -> bool:
    """Whether a driver on this machine is alive and has not written its first status yet."""
    if owner_here(run.driver) is None:
        return False
    return status is None or status.driver.generation != newest_generation(run.driver)


def looks_status(wanted: WantedCells) -> LooksStatus:
    """How far the comparisons of a sweep with adaptive seeds are."""
    last = {(found.block, found.template): found for found in wanted.decisions()}
    settled = Counter(str(found.decision.verdict) for found in last.values() if not found.decision.is_open)
    return LooksStatus(
        comparisons=wanted.comparisons(), settled=dict(settled), spared=sum(found.spared for found in last.values())
    )


def _cells(ledger: Ledger, wanted: WantedCells) -> tuple[CellCounts, ...]:
    verdicts: dict[tuple[str, str, str, str], str] = {}
    for found in wanted.decisions():
        model, _, variant, dataset = found.block
        verdicts[model, found.template, dataset, variant] = str(found.decision.verdict)
    counts: dict[tuple[str, str, str, str], Counter[str]] = defaultdict(Counter)
    for cell in wanted.compared():
        state = ledger.record(cell.trial_id).state
        if state is TrialState.WAITING and wanted.tuned is None and not wanted.wants(cell.trial_id):
            state = TrialState.SPARED
        name = "left" if state is TrialState.WAITING else str(state)
        counts[cell.spec.model, cell.template, cell.spec.dataset, cell.variant][name] += 1
    return tuple(
        CellCounts(
            model=key[0],
            template=key[1],
            dataset=key[2],
            variant=key[3],
            counts=of_cell,
            verdict=verdicts.get(key, ""),
        )
        for key, of_cell in counts.items()
    )


def _former(rows: Sequence[TrialRow]) -> FormerRows:
    counts = Counter((row["model"], row["template"], row["dataset"], row["variant"], row["status"]) for row in rows)
    return FormerRows(
        rows=len(rows),
        counts=tuple(
            FormerCount(model=model, template=template, dataset=dataset, variant=variant, status=status, rows=count)
            for (model, template, dataset, variant, status), count in sorted(counts.items())
        ),
    )


def _failures(rows: Iterable[TrialRow]) -> dict[str, int]:
    """Failed attempts counted by their signature."""
    failed = (row for row in rows if row["status"] == "failed")
    return dict(Counter(f"{row['failure_kind']}: {failure_signature(row['error'])}" for row in failed))
