"""A launch as plain data: what it asks for, and what it freezes into the run directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fdt_core.files.json_file import damaged, parse_json
from fdt_core.provenance import versions
from fdt_core.results.part_cache import PartCache
from fdt_core.results.plan_file import LAUNCH_AGAIN
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.ledger import Ledger
from orchestrator.run.reuse import finished_rows
from orchestrator.run.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class LaunchSettings:
    """How a launch treats its plan; frozen with it, so that a head on another machine does the same."""

    data_directory: str
    limit: int | None = None
    filters: tuple[str, ...] = ()
    """The options `--filter`: only the cells that all of them keep are planned."""
    max_failures: int | None = None
    stop: bool = True
    """Whether looks spare the further seeds of settled templates, in a sweep with adaptive seeds."""
    profile: bool = True
    """Whether each network is measured when the training is over."""
    reuse: tuple[str, ...] = ()
    """Directories of other runs whose finished rows count if the trial and the data are the same."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that a launch freezes into its run directory, and that a driver reads back from there.

    Args:
        run: the run directory.
        plan: what to run.
        settings: how to run it.
        sweep_text: the sweep file as given.
        overrides: the `--set` options that were applied to it.
        code: commit and versions of the code that plans and trains.
        forgiven: for each retried trial, the last attempt whose failure no longer counts.
        dataset_digests: digest of the prepared data, by data set; known once the launch is checked.
        parts: reads the results; each part is decoded only once per launch.
    """

    run: RunDirectory
    plan: SweepPlan
    settings: LaunchSettings
    sweep_text: str
    overrides: tuple[str, ...]
    code: Mapping[str, object]
    forgiven: Mapping[str, int]
    dataset_digests: Mapping[str, str] = field(default_factory=dict)
    parts: PartCache = field(default_factory=PartCache, compare=False, repr=False)

    def ledger(self) -> Ledger:
        """What is known of the trials now, without the failures that this launch forgives."""
        return Ledger.read(self.run, self.forgiven, self.parts)

    def expected(self) -> Ledger:
        """The ledger as it will be once the rows of the other runs that this launch reuses are copied."""
        ledger = self.ledger()
        for path in self.settings.reuse:
            for row in finished_rows(Path(path), self.dataset_digests or None, self.parts).values():
                ledger.add(row)
        return ledger

    def freeze(self) -> None:
        """Write this launch into the run directory."""
        if self.forgiven != self.run.forgiven():
            self.run.forgive(self.forgiven)
        provenance = {
            **self.code,
            "dataset_digests": dict(self.dataset_digests),
            "overrides": list(self.overrides),
            "settings": asdict(self.settings),
        }
        self.run.freeze(self.plan, self.sweep_text, provenance)


def frozen_launch(run: RunDirectory) -> Launch:
    """The launch that is frozen in a run directory.

    Raises UsageError if there is none, EnvironmentProblem if it is damaged or another version of fdt-sweep wrote it.
    """
    plan, provenance = run.plan(), run.provenance()
    settings = parse_json(json.dumps(provenance.get("settings")), LaunchSettings, run.plan_file, remedy=LAUNCH_AGAIN)
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
