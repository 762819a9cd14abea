"""The first half of a launch: check everything that can be checked, and freeze the plan into its run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.provenance import git_commit, uncommitted_digest, versions
from orchestrator.generation import Generation, claim
from orchestrator.ledger import Ledger
from orchestrator.plan import plan_sweep
from orchestrator.run_directory import RunDirectory, runs_root


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """How a launch treats its plan; frozen beside it, so that a head on another machine does the same."""

    data_directory: str
    limit: int | None = None
    max_failures: int | None = None
    retry: tuple[str, ...] = ()
    """Failure kinds whose given-up trials may try again."""


def freeze(
    sweep_file: Path,
    *,
    runs_dir: Path | None,
    overrides: Sequence[str] = (),
    settings: LaunchSettings,
    share: bool = False,
) -> tuple[RunDirectory, Generation]:
    """Plan the sweep file and freeze the plan into its run directory, as the run's one driver.

    Raises UsageError for a wrong sweep file, and EnvironmentProblem where data is not prepared, the run directory
    cannot be written, or another driver is at work; nothing is made before the plan is known to be right.
    """
    plan = plan_sweep(sweep_file, overrides).first(settings.limit)
    data = Path(settings.data_directory)
    digests = {name: prepared_digest(name, data) for name in plan.datasets()}
    run = RunDirectory((runs_root(runs_dir) / plan.name).absolute())
    run.create(share=share)
    generation = claim(run.driver)
    Ledger.read(run.results).check_data(plan.cells, digests)
    provenance = {
        "git_commit": git_commit(),
        "uncommitted_digest": uncommitted_digest(),
        **versions(),
        "dataset_digests": digests,
        "overrides": list(overrides),
        "settings": asdict(settings),
    }
    run.freeze(plan, sweep_file.read_text(encoding="utf-8"), provenance)
    return run, generation
