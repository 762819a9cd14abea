"""The run directory: where everything of one sweep lies, and how a run is found by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdt_core.errors import EnvironmentProblem, UsageError, nearest_match
from fdt_core.json_file import DamagedFile, damaged, read_json
from fdt_core.plan_file import LAUNCH_AGAIN, read_plan_file
from fdt_core.results.files import write_text_atomically
from orchestrator.driver_status import DriverStatus
from orchestrator.plan import SweepPlan, plan_from_json


def runs_root(option: Path | None) -> Path:
    """The directory of all runs: `--runs-dir`, else FDT_RUNS_DIR, else ./runs."""
    return option or Path(os.environ.get("FDT_RUNS_DIR") or "runs")


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run. Making the value touches nothing; `create` makes the directories."""

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
        return self.path / "plan.json"

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
    def driver(self) -> Path:
        """One file per driver that ever worked here: see `orchestrator.generation`."""
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
        """Make the directory, closed to others (0700), or with `share` open for others to read the results.

        Raises EnvironmentProblem where it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o710 if share else 0o700)
            for directory in (self.results, self.checkpoints, self.logs, self.driver):
                directory.mkdir(exist_ok=True)
            self.results.chmod(0o750 if share else 0o700)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write the run directory {self.path}: {error.strerror}") from error

    def freeze(self, plan: SweepPlan, sweep_text: str, provenance: Mapping[str, Any]) -> None:
        """Write the sweep file as given and the resolved plan; what runs follows the plan alone."""
        write_text_atomically(self.sweep_file, sweep_text)
        write_text_atomically(self.plan_file, json.dumps(plan.to_json({"provenance": provenance})), durable=True)

    def plan(self) -> SweepPlan:
        """The frozen plan.

        Raises UsageError where there is none, EnvironmentProblem where it is damaged or a newer fdt-sweep wrote it.
        """
        return plan_from_json(self.plan_data(), self.plan_file)

    def plan_data(self) -> dict[str, Any]:
        """The frozen plan as plain data; raises as `plan` does."""
        data = read_plan_file(self.plan_file)
        if data is None:
            raise UsageError(f"{self.path} holds no plan.json: it is not a run directory")
        return data

    def provenance(self) -> dict[str, Any]:
        """What the launch froze beside the plan: versions, digests of the data, settings; raises as `plan` does."""
        provenance = self.plan_data().get("provenance")
        if not isinstance(provenance, dict):
            raise damaged(self.plan_file, "it has no provenance", LAUNCH_AGAIN)
        return provenance

    def refuse_newer_plan(self) -> None:
        """Raise EnvironmentProblem where a newer fdt-sweep made this run: a launch would replace what it froze.

        A damaged plan is no obstacle, for a launch makes a new one.
        """
        with suppress(DamagedFile):
            read_plan_file(self.plan_file)

    def status(self) -> dict[str, Any]:
        """What the driver last wrote of itself (see DriverStatus); empty before the first launch.

        Raises DamagedFile where it is damaged.
        """
        return dict(read_json(self.status_file, DriverStatus, cure="the next driver writes it again") or {})


def find_run(name: str, runs_dir: Path | None = None) -> RunDirectory:
    """The existing run with this name under the runs directory, or at this path.

    Raises UsageError naming the runs there are and the nearest match.
    """
    root = runs_root(runs_dir)
    for candidate in (root / name, Path(name)):
        if (candidate / "plan.json").is_file():
            return RunDirectory(candidate)
    known = sorted(path.parent.name for path in root.glob("*/plan.json"))
    listing = f"runs in {root}: {', '.join(known)}" if known else f"there are no runs in {root}"
    raise UsageError(f"no run {name!r}{nearest_match(name, known)} ({listing})")
