"""The first half of a launch: plan, check everything that can be checked, and freeze the plan as the last step.

A launch that is refused, or cannot begin, leaves what was frozen before as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster.profile import ClusterProfile
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.json_file import damaged, parse_json
from fdt_core.plan_file import LAUNCH_AGAIN
from fdt_core.provenance import git_commit, uncommitted_digest, versions
from orchestrator.estimate import estimate, refuse_above
from orchestrator.generation import Generation, claim
from orchestrator.ledger import Ledger
from orchestrator.plan import SweepPlan, plan_sweep
from orchestrator.reuse import finished_rows
from orchestrator.run_directory import RunDirectory, runs_root
from orchestrator.trial_needs import check_needs


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """How a launch treats its plan; frozen beside it, so that a head on another machine does the same."""

    data_directory: str
    limit: int | None = None
    max_failures: int | None = None
    profile: bool = True
    """Whether each network is measured when the training is over."""
    reuse: tuple[str, ...] = ()
    """Directories of other runs whose finished rows count where the trial and the data are the same."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that a launch freezes into its run directory, and that a driver reads back from there.

    Args:
        run: where.
        plan: what is wanted.
        settings: how.
        sweep_text: the sweep file as given.
        overrides: the `--set` options that were laid over it.
        code: commit and versions of the code that plans and trains.
        dataset_digests: digest of the prepared data, by data set; known once the launch is checked.
        forgiven: for each retried trial, the last attempt whose failure no longer counts.
    """

    run: RunDirectory
    plan: SweepPlan
    settings: LaunchSettings
    sweep_text: str
    overrides: tuple[str, ...]
    code: Mapping[str, Any]
    forgiven: Mapping[str, int]
    dataset_digests: Mapping[str, str] = field(default_factory=dict)

    def ledger(self) -> Ledger:
        """What is known of the trials now, with the failures that this launch forgives."""
        return Ledger.read(self.run, self.forgiven)

    def expected(self) -> Ledger:
        """The ledger as it will be when the rows of the other runs that this launch reuses have come along."""
        ledger = self.ledger()
        for path in self.settings.reuse:
            for row in finished_rows(Path(path), self.dataset_digests or None).values():
                ledger.add(row)
        return ledger

    def freeze(self) -> None:
        """Make this what the run directory says is wanted."""
        if self.forgiven != self.run.forgiven():
            self.run.forgive(self.forgiven)
        provenance = {
            **self.code,
            "dataset_digests": dict(self.dataset_digests),
            "overrides": list(self.overrides),
            "settings": asdict(self.settings),
        }
        self.run.freeze(self.plan, self.sweep_text, provenance)


BecomeDriver = Callable[[RunDirectory], Generation]


def claim_run(run: RunDirectory) -> Generation:
    """Become the driver of a run that this machine drives. Raises EnvironmentProblem where another driver lives."""
    return claim(run.driver)


def new_launch(
    sweep_file: Path, *, runs_dir: Path | None, overrides: Sequence[str] = (), settings: LaunchSettings
) -> Launch:
    """The launch of a sweep file, not yet checked. Reads and writes nothing of the run but what was forgiven there.

    Raises UsageError for a wrong sweep file.
    """
    plan = plan_sweep(sweep_file, overrides, Path(settings.data_directory)).first(settings.limit)
    run = RunDirectory((runs_root(runs_dir) / plan.name).absolute())
    return Launch(
        run=run,
        plan=plan,
        settings=settings,
        sweep_text=sweep_file.read_text(encoding="utf-8"),
        overrides=tuple(overrides),
        code=_code(),
        forgiven=run.forgiven(),
    )


def frozen_launch(run: RunDirectory) -> Launch:
    """The launch that is frozen in a run directory.

    Raises UsageError where there is none, EnvironmentProblem where another version of fdt-sweep wrote it.
    """
    plan, provenance = run.plan(), run.provenance()
    settings = parse_json(json.dumps(provenance.get("settings")), LaunchSettings, run.plan_file, cure=LAUNCH_AGAIN)
    try:
        return Launch(
            run=run,
            plan=plan,
            settings=settings,
            sweep_text=run.sweep_file.read_text(encoding="utf-8") if run.sweep_file.exists() else "",
            overrides=tuple(provenance["overrides"]),
            code={key: provenance[key] for key in ("git_commit", "uncommitted_digest", *versions())},
            forgiven=run.forgiven(),
            dataset_digests=provenance["dataset_digests"],
        )
    except KeyError as error:
        raise damaged(run.plan_file, f"provenance.{error.args[0]} is missing", LAUNCH_AGAIN) from error


def frozen_launch_again(run: RunDirectory, overrides: Sequence[str] = ()) -> Launch:
    """What is frozen, with the code of today, and with `overrides` laid over the frozen sweep file."""
    frozen = replace(frozen_launch(run), code=_code(), dataset_digests={})
    if not overrides:
        return frozen
    both = (*frozen.overrides, *overrides)
    plan = plan_sweep(run.sweep_file, both, Path(frozen.settings.data_directory)).first(frozen.settings.limit)
    return replace(frozen, plan=plan, overrides=both)


def checked(launch: Launch, profile: ClusterProfile, *, max_gpu_hours: float | None = None) -> Launch:
    """The launch, found to be possible; with the digests of its data. Writes nothing.

    Raises EnvironmentProblem where data is not prepared, or not what finished trials were trained on, or the machine
    or the cluster lacks what a trial asks for, or a newer fdt-sweep made the run; BudgetRefused where the trials that
    are left would take more than `max_gpu_hours`.
    """
    launch.run.refuse_newer_plan()
    data, plan = Path(launch.settings.data_directory), launch.plan
    launch = replace(launch, dataset_digests={name: prepared_digest(name, data) for name in plan.datasets()})
    ledger = launch.expected()
    ledger.check_data(plan.cells, launch.dataset_digests)
    left = ledger.left(plan.cells)
    if left:
        check_needs(plan, profile)
    refuse_above(max_gpu_hours, estimate(left, plan.keep, launch.run.results))
    return launch


def _code() -> dict[str, Any]:
    return {"git_commit": git_commit(), "uncommitted_digest": uncommitted_digest(), **versions()}
