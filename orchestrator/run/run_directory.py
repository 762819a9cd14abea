"""The run directory: everything that one sweep leaves on disk, and how to find a run by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.files.atomic_files import write_atomically, write_text_atomically
from fdt_core.files.json_file import DamagedFile, damaged, read_json
from fdt_core.results.plan_file import LAUNCH_AGAIN, PLAN_FILE, read_plan_file
from fdt_core.results.planned import FORGIVEN_FILE, forgiven_failures
from fdt_core.results.run_lookup import find_run_path, runs_root
from orchestrator.plan.cells import SweepPlan, plan_from_json
from orchestrator.run.driver_status import DriverStatus

__all__ = ["RunDirectory", "find_run", "runs_root"]

FrozenFiles = Mapping[Path, bytes | None]
"""The contents of a run's frozen files; None for a file that does not exist."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run. Constructing one touches nothing; `create` makes the directories."""

    path: Path

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.path.name

    @property
    def sweep_file(self) -> Path:
        """The sweep file as given at the last launch."""
        return self.path / "sweep.yaml"

    @property
    def plan_file(self) -> Path:
        """The plan frozen at the last launch."""
        return self.path / PLAN_FILE

    @property
    def forgiven_file(self) -> Path:
        """Which failures no longer count because the user asked for a retry."""
        return self.path / FORGIVEN_FILE

    @property
    def results(self) -> Path:
        """The Parquet tables."""
        return self.path / "results"

    @property
    def checkpoints(self) -> Path:
        """One directory per trial."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        """One log per trial."""
        return self.path / "logs"

    @property
    def status_file(self) -> Path:
        """What the driver is doing, rewritten every second or so."""
        return self.path / "status.json"

    @property
    def running_file(self) -> Path:
        """All running trials, if they are too many for `status_file`; rewritten every half minute or so."""
        return self.path / "running.json"

    @property
    def driver(self) -> Path:
        """One file per driver that ever ran here: see `orchestrator.run.driver_lease`."""
        return self.path / "driver"

    @property
    def slurm(self) -> Path:
        """Submission scripts, job logs and worker records."""
        return self.path / "slurm"

    @property
    def driver_log(self) -> Path:
        """What detached drivers printed."""
        return self.logs / "driver.log"

    def log(self, trial_id: str) -> Path:
        """The log of one trial."""
        return self.logs / f"{trial_id}.log"

    def create(self, *, share: bool = False) -> None:
        """Make the directory, closed to others (0700) or, with `share`, with results that others can read.

        Raises EnvironmentProblem if it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o710 if share else 0o700)
            for directory in (self.results, self.checkpoints, self.logs, self.driver):
                directory.mkdir(exist_ok=True)
            self.results.chmod(0o750 if share else 0o700)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write the run directory {self.path}: {error.strerror}") from error

    def freeze(self, plan: SweepPlan, sweep_text: str, provenance: Mapping[str, object]) -> None:
        """Write the sweep file as given and the resolved plan; drivers follow only the plan."""
        write_text_atomically(self.sweep_file, sweep_text)
        # Not Python's json, which takes more than twice as long: a plan may have 100,000 cells, 200 MB.
        plan_json = to_json(plan.to_json({"provenance": provenance}), inf_nan_mode="constants")
        write_atomically(self.plan_file, plan_json, durable=True)

    def forgive(self, forgiven: Mapping[str, int]) -> None:
        """Record which failures no longer count: for each trial id, those up to this attempt."""
        write_text_atomically(self.forgiven_file, json.dumps(forgiven), durable=True)

    def forgiven(self) -> dict[str, int]:
        """The failures that no longer count: for each trial id, those up to this attempt. Raises DamagedFile."""
        return forgiven_failures(self.path)

    def frozen_files(self) -> FrozenFiles:
        """What is frozen now, for `restore`."""
        files = (self.sweep_file, self.forgiven_file, self.plan_file)
        return {file: file.read_bytes() if file.exists() else None for file in files}

    def restore(self, frozen: FrozenFiles) -> None:
        """Put the previous frozen files back, because the new launch could not start."""
        for file, contents in frozen.items():
            if contents is None:
                file.unlink(missing_ok=True)
            else:
                write_atomically(file, contents, durable=True)

    def plan(self) -> SweepPlan:
        """The frozen plan.

        Raises UsageError if there is none, EnvironmentProblem if it is damaged or a newer fdt-sweep wrote it.
        """
        return plan_from_json(self.plan_data(), self.plan_file)

    def plan_data(self) -> dict[str, Any]:
        """The frozen plan as plain data; raises as `plan` does."""
        data = read_plan_file(self.plan_file)
        if data is None:
            raise UsageError(f"{self.path} holds no plan.json: it is not a run directory")
        return data

    def provenance(self) -> dict[str, Any]:
        """What the launch froze with the plan: versions, digests of the data, settings; raises as `plan` does."""
        provenance = self.plan_data().get("provenance")
        if not isinstance(provenance, dict):
            raise damaged(self.plan_file, "it has no provenance", LAUNCH_AGAIN)
        return provenance

    def refuse_newer_plan(self) -> None:
        """Raise EnvironmentProblem if a newer fdt-sweep made this run: a launch would replace what it froze.

        A damaged plan is not an obstacle, because a launch makes a new one.
        """
        with suppress(DamagedFile):
            read_plan_file(self.plan_file)

    def status(self) -> DriverStatus | None:
        """What the driver last wrote about itself; None before the first launch. Raises DamagedFile."""
        return read_json(self.status_file, DriverStatus, remedy="the next driver writes it again")


def find_run(name: str, runs_dir: Path | None = None) -> RunDirectory:
    """The existing run with this name in the runs directory, or at this path.

    Raises UsageError naming the existing runs and the nearest match.
    """
    return RunDirectory(find_run_path(name, runs_dir))
