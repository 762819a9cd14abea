"""One trial in this process, without Ray, checkpoints or rows: exceptions reach the caller, such as a debugger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fdt_core.compute.process import prepare_process, private_compiler_caches
from fdt_core.datasets.prepared import load_prepared
from fdt_core.provenance import git_commit, versions
from fdt_core.results.run_lookup import find_trial
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.report_rows import RowContext, trial_row
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.trial.session import epoch_line


def choose_trial(plan: SweepPlan, prefix: str) -> Cell:
    """The one cell whose trial_id starts with `prefix` (the first cell for an empty one); UsageError otherwise."""
    if not prefix:
        return plan.cells[0]
    trial_id = find_trial(prefix, (cell.trial_id for cell in plan.cells), f"sweep {plan.name}")
    return next(cell for cell in plan.cells if cell.trial_id == trial_id)


@private_compiler_caches()
def run_alone(
    cell: Cell, data_dir: Path, device: str, say: Callable[[str], None], until: int | None = None
) -> dict[str, object]:
    """Train the cell's trial on `device` from the start, to its end or `until` an epoch. Returns its row of `trials`.

    `say` gets a line per epoch.
    """
    spec = cell.spec
    prepare_process(threads=spec.threads)  # before torch is imported

    from fdt_core.training.device_dataset import DeviceDataset
    from fdt_core.training.trainer import Training

    prepared = load_prepared(spec.dataset, data_dir)
    say(f"{cell.label}, {cell.cost.params:,} parameters")
    training = Training(spec, DeviceDataset(prepared, device=device), device=device, until=until)
    for record in training.epochs():
        say(epoch_line(record, spec.recipe.epochs))
    result = training.result()
    report = TrialReport(
        trial_id=cell.trial_id,
        attempt=1,
        place=ProcessLocation.here(),
        outcome=Outcome(result.status),
        epochs=result.history,
        result=result,
    )
    provenance = {"git_commit": git_commit(), **versions()}
    digests = {spec.dataset: prepared.digest}
    return trial_row(cell, report, RowContext(provenance=provenance, dataset_digests=digests, device=device))
