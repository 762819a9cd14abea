"""The sweep engine on a private Ray, for benchmarks and tests that supply their own trials."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.ray_node import local_ray
from fdt_core.compute.process import process_environment
from fdt_core.provenance import versions
from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.backlog import Backlog, Progress
from orchestrator.run.driver_lease import claim
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.open_run import OpenRun
from orchestrator.run.recorder import Recorder
from orchestrator.run.report_rows import RowContext
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.tune.compute import Compute
from orchestrator.tune.driver import Driver
from orchestrator.tune.environment import TUNE_SETTINGS
from orchestrator.tune.trainable import SessionFactory

_CHECKOUT = str(Path(__file__).parents[1])

SWEEP = """\
name: benchmark
models: {models}
width: 0.125
templates: [base]
datasets: [digits]
seeds: {seeds}
recipe: {{base: quick, epochs: 1}}
"""


@dataclass(kw_only=True)
class EngineRun:
    """What one run left: when each trial ended (seconds from the start), how many with a result, and how many files."""

    seconds_until_ended: list[float] = field(default_factory=list)
    done: int = 0
    files: int = 0


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A connected engine; each run works in a separate directory."""

    scratch: Path
    needs: TrialSlots

    def run(
        self,
        trials: int,
        make_session: SessionFactory,
        plan: SweepPlan | None = None,
        *,
        prepare: Callable[[RunDirectory], None] = lambda _run: None,
        on_device_failure: Callable[[ProcessLocation], None] = lambda _location: None,
        examine: Callable[[RunDirectory], None] = lambda _run: None,
    ) -> EngineRun:
        """Run `trials` trials (seeds of one small model, or those of `plan`) through the whole engine.

        `prepare` gets the new run directory, and `examine` gets it when all is done, before it is removed.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            place = Path(directory)
            plan = plan or small_plan(place, trials)
            run = RunDirectory(place / "run")
            run.create()
            prepare(run)
            measured, before, started_at = EngineRun(), _files(run.path), time.perf_counter()
            work = open_dataless_run(run, plan, place)
            status = _MeasuringStatus(
                status_file=run.status_file,
                running_file=run.running_file,
                driver=DriverPlace(pid=0, host="", generation=0),
                measured=measured,
                started_at=started_at,
            )
            compute = Compute(
                slots=self.needs,
                device="cpu",
                drain_flag=place / "drain",
                scratch=place,
                on_device_failure=on_device_failure,
            )
            Driver(work, compute, status, make_session=make_session).run()
            measured.files = _files(run.path) - before
            examine(run)
            return measured


@contextmanager
def local_engine(*, cpus: int, needs: TrialSlots | None = None) -> Iterator[Engine]:
    """A Ray of `cpus` CPUs (and the GPUs that `needs` asks for) on this machine, hardened like any local sweep's."""
    needs = needs or TrialSlots(cpus=1, gpus=0, whole_gpus=0, slots=cpus)
    profile = ClusterProfile(kind="local", device="cpu", cpus_per_node=cpus, gpus_per_node=int(needs.whole_gpus))
    # Ray's workers import from the installation alone, which holds neither benchmarks nor tests.
    found_there = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), _CHECKOUT]))
    path = {"PYTHONPATH": found_there}
    with process_environment(os.environ | path), local_ray(profile, variables=TUNE_SETTINGS) as head:
        yield Engine(scratch=head.directory, needs=needs)


def small_plan(directory: Path, trials: int, models: str = "[vgg11]") -> SweepPlan:
    """A plan of up to 10,000 seeds of small models, by default one."""
    file = directory / "benchmark.yaml"
    file.write_text(SWEEP.format(seeds=min(trials, 10_000), models=models))
    return plan_sweep(file)


def open_dataless_run(run: RunDirectory, plan: SweepPlan, place: Path) -> OpenRun:
    """A run of `plan` that needs no data, new or with the rows that it has."""
    plan, ledger = replace(plan, keep="none"), Ledger.read(run)
    context = RowContext(
        provenance={"git_commit": None, **versions()}, dataset_digests={"digits": "none"}, device="cpu"
    )
    backlog = Backlog(plan.cells, ledger, plan.looks, plan.tuning)
    recorder = Recorder(
        run, ResultsWriter(run.results), ledger, context, keep=plan.keep, sweep=plan.name, looks=plan.looks
    )
    recorder.decide(backlog.wanted.decisions(), all_of_them=True)
    return OpenRun(
        run=run,
        lease=claim(run.driver),
        plan=plan,
        settings=LaunchSettings(data_directory=str(place)),
        ledger=ledger,
        backlog=backlog,
        recorder=recorder,
        quarantined=(),
    )


@dataclass(kw_only=True)
class _MeasuringStatus(StatusWriter):
    """Records when each trial ends."""

    measured: EngineRun
    started_at: float

    def ended(
        self,
        cell: Cell,
        report: TrialReport,
        state: TrialState,
        progress: Progress,
        seconds: float | None = None,
    ) -> None:
        self.measured.seconds_until_ended.append(time.perf_counter() - self.started_at)
        self.measured.done = progress.done
        super().ended(cell, report, state, progress, seconds)


def _files(directory: Path) -> int:
    return sum(1 for path in directory.rglob("*") if path.is_file())
