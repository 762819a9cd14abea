"""The sweep engine on a Ray of its own, for benchmarks that put in trials of theirs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.recorder import Recorder
from orchestrator.run.rows import RowContext
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.report import TrialReport
from orchestrator.tune.driver import Driver, OrderTemplate
from orchestrator.tune.environment import TUNE_SETTINGS
from orchestrator.tune.trainable import SessionFactory

_CHECKOUT = str(Path(__file__).parents[1])

SWEEP = """\
name: benchmark
models: [vgg11]
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
    """A connected engine; each run works in a directory of its own."""

    scratch: Path
    needs: TrialSlots

    def run(self, trials: int, make_session: SessionFactory, plan: SweepPlan | None = None) -> EngineRun:
        """Run `trials` trials (seeds of one small model, or those of `plan`) through the whole engine."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            place = Path(directory)
            plan = plan or small_plan(place, trials)
            run = RunDirectory(place / "run")
            run.create()
            before = _files(run.path)
            measured = EngineRun()
            started = time.perf_counter()
            _driver(run, plan, make_session, self.needs, place, measured, started).run()
            measured.files = _files(run.path) - before
            return measured


@contextmanager
def local_engine(*, cpus: int, needs: TrialSlots | None = None) -> Iterator[Engine]:
    """A Ray of `cpus` CPUs (and a GPU, if the `needs` say so) on this machine, hardened as every local sweep's."""
    needs = needs or TrialSlots(cpus=1, gpus=0, whole_gpus=0, slots=cpus)
    profile = ClusterProfile(kind="local", device="cpu", cpus_per_node=cpus, gpus_per_node=int(needs.whole_gpus))
    # Ray's workers import from the installation alone, which holds neither benchmarks nor tests.
    found_there = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), _CHECKOUT]))
    path = {"PYTHONPATH": found_there}
    with process_environment(os.environ | path), local_ray(profile, variables=TUNE_SETTINGS) as head:
        yield Engine(scratch=head.directory, needs=needs)


def small_plan(directory: Path, trials: int) -> SweepPlan:
    """A plan of so many seeds of one small model; any number, past what a sweep file allows too."""
    file = directory / "benchmark.yaml"
    file.write_text(SWEEP.format(seeds=min(trials, 10_000)))
    return plan_sweep(file)


def _driver(
    run: RunDirectory,
    plan: SweepPlan,
    make_session: SessionFactory,
    needs: TrialSlots,
    place: Path,
    measured: EngineRun,
    started: float,
) -> Driver:
    class Watched(StatusWriter):
        """Notes when each trial ends."""

        def ended(self, cell: Cell, report: TrialReport, state: TrialState, progress: Progress) -> None:
            measured.seconds_until_ended.append(time.perf_counter() - started)
            measured.done = progress.done
            super().ended(cell, report, state, progress)

    ledger = Ledger()
    context = RowContext(
        provenance={"git_commit": None, **versions()}, dataset_digests={"digits": "none"}, device="cpu"
    )
    recorder = Recorder(run, ResultsWriter(run.results), ledger, context, keep="none")
    return Driver(
        run,
        Backlog(plan.cells, ledger),
        recorder,
        template=OrderTemplate(
            run_directory=str(run.path),
            data_directory=str(place),
            device="cpu",
            checkpoint_interval=plan.checkpoint_interval,
            keep="none",
        ),
        needs=needs,
        drain_flag=place / "drain",
        scratch=place,
        watch=Watched(status_file=run.status_file, driver=DriverPlace(pid=0, host="", generation=0)),
        make_session=make_session,
    )


def _files(directory: Path) -> int:
    return sum(1 for path in directory.rglob("*") if path.is_file())
