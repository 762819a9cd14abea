"""A sweep with adaptive seeds on Slurm: what is decided does not depend on what happens to its worker jobs."""

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cluster.slurm.records import Departure
from lab.slurm.faults import inject
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import SlurmRun, assert_nothing_left, run_locally
from lab.slurm.time_lost import interruptions
from lab.slurm.waiting import wait_for
from tests.orchestrator.adaptive_plans import recorded

pytestmark = pytest.mark.slurm

WORKERS = 2

# The learning rate is so low that `b` ends some 40 points below base, which three seeds show on any machine. Seeds
# differ by several points, so that `a` is open to the end.
SWEEP = """\
name: small
models: [vgg11]
width: 0.0625
templates: [base, a, b]
datasets: [digits]
seeds: {from: 3, to: 5, looks: [3, 5], until: {margin: 1.0}}
recipe: {base: quick, epochs: 8, batch_size: 64, flip: false, learning_rate: 0.003}
checkpoint_interval: 0
"""


@pytest.fixture
def undisturbed_run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The run directory of the sweep, run on this machine undisturbed."""
    return run_locally(tmp_path_factory.mktemp("undisturbed"), data, "--no-profile", text=SWEEP)


def test_a_worker_preempted_between_two_looks_changes_no_decision_and_no_row_and_workers_stay_until_the_last_look(
    lab: SlurmLab, tmp_path: Path, data: Path, undisturbed_run: Path
) -> None:
    run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=SWEEP)
    # No node has memory for two workers: one of them is preempted, the other goes on.
    run.launch("--no-profile", max_workers=WORKERS, mem="5000M")
    demands: list[int] = []
    watch_demand(run, demands, lambda: has_decided(run), "the first look is taken")
    inject(run, "worker_preempted", random.Random(0), workers=WORKERS)
    watch_demand(run, demands, run.is_over, "the sweep is over")
    run.await_end()
    assert_nothing_left(lab)

    # The worker was training what the first look had asked for, and saved it.
    rows = pd.read_parquet(run.path / "results" / "trials")
    interrupted = rows[rows.interruptions > 0]
    assert len(interrupted) >= 1
    assert interrupted.seed.min() >= 3
    assert any(stop.saved for stop in interruptions(run.path))

    # When the last trial of a look runs alone, the other worker is kept for what the next look may ask for.
    assert {worker.why for worker in run.files.read_workers()} == {Departure.JOB_ENDS, Departure.SWEEP_IS_OVER}
    is_too_low = [slots < WORKERS for slots in demands]
    assert is_too_low == sorted(is_too_low), f"a worker was let go before the last look: {demands}"

    found = recorded(run.path / "results")
    assert repr(found) == repr(recorded(undisturbed_run / "results"))
    assert run.differences(undisturbed_run) == []

    # `b` was settled by the first look, and got no further seed.
    verdicts = {(row["template"], row["look"]): row["verdict"] for row in found[0]}
    assert verdicts == {("a", 1): "undecided", ("b", 1): "inferior", ("a", 2): "undecided"}
    assert rows.groupby("template").seed.nunique().to_dict() == {"base": 5, "a": 5, "b": 3}


def has_decided(run: SlurmRun) -> bool:
    """Whether a decision is recorded."""
    return any((run.path / "results" / "decisions").glob("*.parquet"))


def watch_demand(run: SlurmRun, demands: list[int], condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; meanwhile, add to `demands` each new number of slots that the driver asks for."""

    def look() -> bool:
        demand = run.files.read_demand()
        if demand is not None and demands[-1:] != [demand.slots]:
            demands.append(demand.slots)
        return condition()

    wait_for(look, what, 180)
