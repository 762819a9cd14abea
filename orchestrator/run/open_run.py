"""The second half of a launch: what is left of a frozen plan, ready for the run's one driver."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode
from fdt_core.provenance import versions
from fdt_core.results.reader import read_table
from fdt_core.results.tuning.tpe import NEEDS_OPTUNA, tpe_is_installed
from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.backlog import Backlog, Progress
from orchestrator.run.driver_lease import DriverLease
from orchestrator.run.launch_record import Launch, LaunchSettings
from orchestrator.run.ledger import Ledger
from orchestrator.run.measurements import unmeasured
from orchestrator.run.recorder import Recorder
from orchestrator.run.report_rows import RowContext
from orchestrator.run.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A frozen plan, what is left of it, and the recorder that writes its rows."""

    run: RunDirectory
    lease: DriverLease
    plan: SweepPlan
    settings: LaunchSettings
    ledger: Ledger
    backlog: Backlog
    recorder: Recorder
    quarantined: tuple[Path, ...]
    """Damaged parts of the results that were moved aside; their trials are in the backlog again."""

    def finished_cells(self) -> tuple[Cell, ...]:
        """The cells of the plan that have a result."""
        return tuple(cell for cell in self.plan.cells if self.ledger.record(cell.trial_id).finished)

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

    def nothing_to_do(self) -> str:
        """The message if nothing is left to train."""
        progress = self.backlog.progress()
        text = f"nothing to do: {progress.done + progress.diverged} of {progress.total} trials are done"
        if progress.spared:
            text += f", {progress.spared} spared"
        if progress.stopped:
            text += f", {progress.stopped} stopped by tuning"
        if progress.failed:
            text += f", {progress.failed} given up"
        if progress.held_back:
            text += f", {progress.held_back} held back"
        again = shlex.join(["fdt-sweep", "retry", str(self.run.path)])
        return f"{text}; to try these again: {again}" if progress.failed else text

    def exit_code(self, *, interrupted: bool) -> int:
        """The exit code of a launch that ended here.

        `interrupted`: a user or the loss of a node ended it early. Reaching the limit of failed trials does not count
        as an interruption.
        """
        if interrupted and not self.nothing_left():
            return ExitCode.INTERRUPTED
        progress: Progress = self.backlog.progress()
        return ExitCode.FAILED if progress.failed or progress.held_back else ExitCode.DONE


def open_run(launch: Launch, lease: DriverLease, *, device: str) -> OpenRun:
    """Open the results of a launch for writing and find what is left to do, on `device` (cpu or cuda).

    Raises EnvironmentProblem if the prepared data is not what finished trials were trained on.
    """
    run, plan, settings = launch.run, launch.plan, launch.settings
    digests = {name: prepared_digest(name, Path(settings.data_directory)) for name in plan.datasets()}
    writer = ResultsWriter(run.results, check_right_to_write=lease.check, part_reader=launch.parts)
    ledger = launch.ledger()
    ledger.check_data(plan.cells, digests)
    context = RowContext(
        provenance={key: launch.code.get(key) for key in ("git_commit", *versions())},
        dataset_digests=digests,
        device=device,
    )
    recorder = Recorder(
        run, writer, ledger, context, keep=plan.keep, sweep=plan.name, looks=plan.looks, part_reader=launch.parts
    )
    recorder.reuse(plan.cells, [Path(path) for path in settings.reuse])
    backlog = Backlog(plan.cells, ledger, plan.looks, plan.tuning)
    if plan.tuning and plan.tuning.tpe and backlog.wanted.may_want_more() and not tpe_is_installed():
        raise EnvironmentProblem(f"tuning with {NEEDS_OPTUNA}")  # here, not hours later when the first batch ends
    recorder.drop_checkpoints(backlog.wanted.eliminated())
    recorder.decide(backlog.wanted.decisions(), all_of_them=True)
    launch.parts.forget("epochs")  # a large table, which nothing reads from here on
    return OpenRun(
        run=run,
        lease=lease,
        plan=plan,
        settings=settings,
        ledger=ledger,
        backlog=backlog,
        recorder=recorder,
        quarantined=writer.quarantined,
    )
