"""The second half of a launch: what a frozen plan leaves to do, ready to be driven by the run's one driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.provenance import versions
from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter
from orchestrator.backlog import Backlog, Progress
from orchestrator.generation import Generation
from orchestrator.launch import LaunchSettings, frozen_settings
from orchestrator.ledger import CellKey, Ledger
from orchestrator.plan import Cell, SweepPlan
from orchestrator.profiling import unmeasured
from orchestrator.recorder import Recorder
from orchestrator.run_directory import RunDirectory
from orchestrator.trial_report import RowContext

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_STOPPED = 0, 1, 75, 130


@dataclass(frozen=True, kw_only=True)
class Work:
    """A frozen plan, what is left of it, and the recorder that writes its rows."""

    run: RunDirectory
    generation: Generation
    plan: SweepPlan
    settings: LaunchSettings
    ledger: Ledger
    backlog: Backlog
    recorder: Recorder
    quarantined: tuple[Path, ...]
    """Damaged parts of the results that were moved aside; their trials are part of the backlog again."""

    def finished_cells(self) -> tuple[Cell, ...]:
        """The cells of the plan that have a result."""
        return tuple(cell for cell in self.plan.cells if self.ledger.record(cell.key).finished)

    def nothing_left(self) -> bool:
        """Whether every trial has ended and every finished network has been measured on some device."""
        if self.backlog.progress().left:
            return False
        if not self.settings.profile:
            return True
        rows = read_table(self.run.results, "profiles").rows.to_pylist()
        names = {row["device_name"] for row in rows} or {""}
        finished = self.finished_cells()
        return min(len(unmeasured(finished, rows, name)) for name in names) == 0

    def exit_code(self, *, interrupted: bool) -> int:
        """The launch's exit code for where it ended.

        `interrupted`: somebody, or the loss of a node, ended it before it had reached its own end; reaching the limit
        of failed trials is such an end.
        """
        if interrupted and not self.nothing_left():
            return EXIT_INTERRUPTED
        progress: Progress = self.backlog.progress()
        return EXIT_FAILED if progress.failed or progress.held_back else EXIT_DONE


def open_work(run: RunDirectory, generation: Generation, *, device: str) -> Work:
    """Open the results for writing and find what is left to do of the frozen plan, on `device` (cpu or cuda).

    Raises EnvironmentProblem where the prepared data is not what finished trials were trained on, and where the frozen
    plan is damaged.
    """
    plan, frozen = run.plan(), run.provenance()
    settings = frozen_settings(run)
    digests = {name: prepared_digest(name, Path(settings.data_directory)) for name in plan.datasets()}
    writer = ResultsWriter(run.results, check_right_to_write=generation.check)
    ledger = Ledger.read(run.results)
    ledger.check_data(plan.cells, digests)
    context = RowContext(
        provenance={key: frozen.get(key) for key in ("git_commit", *versions())},
        dataset_digests=digests,
        device=device,
    )
    recorder = Recorder(run, writer, ledger, context, keep=plan.keep)
    recorder.reuse([Path(path) for path in settings.reuse], plan.cells)
    recorder.complete_twins(_by_trial(plan))
    return Work(
        run=run,
        generation=generation,
        plan=plan,
        settings=settings,
        ledger=ledger,
        backlog=Backlog(plan.cells, ledger, _forgiven(plan, ledger, settings.retry)),
        recorder=recorder,
        quarantined=writer.quarantined,
    )


def _by_trial(plan: SweepPlan) -> list[list[Cell]]:
    trials: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        trials.setdefault(cell.trial_id, []).append(cell)
    return list(trials.values())


def _forgiven(plan: SweepPlan, ledger: Ledger, retry: Sequence[str]) -> dict[CellKey, int]:
    """For cells given up because of one of the kinds to `retry` (or 'all'): all their failures so far."""
    forgiven = {}
    for cell in plan.cells:
        record = ledger.record(cell.key)
        if record.given_up() and ("all" in retry or set(retry) & set(record.failures)):
            forgiven[cell.key] = len(record.failures)
    return forgiven
