"""A tuned sweep on Slurm: a worker that is preempted while candidates train changes no row and no winner."""

import random
from pathlib import Path

import pandas as pd
import pytest

from lab.slurm.faults import inject
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import SlurmRun, assert_nothing_left, run_locally
from lab.slurm.time_lost import interruptions
from lab.slurm.waiting import wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

WORKERS = 2

SWEEP = """\
name: small
models: [vgg11]
width: 0.0625
templates: [base, a]
datasets: [digits]
seeds: 2
recipe: {base: quick, epochs: 12, batch_size: 64, flip: false, cutout: 0}
tune:
  sample: {learning_rate: log(0.003, 0.3), trials: 4}
  halving: {factor: 2, first: 3}
checkpoint_interval: 0
"""


def test_a_worker_preempted_between_two_rungs_changes_no_row_and_no_winner(
    lab: SlurmLab, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, data: Path
) -> None:
    undisturbed = run_locally(tmp_path_factory.mktemp("undisturbed"), data, "--no-profile", text=SWEEP)
    run = SlurmRun(lab=lab, directory=tmp_path, data=data, sweep=SWEEP)
    # No node has memory for two workers: one of them is preempted, the other goes on.
    run.launch("--no-profile", max_workers=WORKERS, mem="5000M")
    wait_for(lambda: any((run.path / "results" / "trials").glob("*.parquet")), "a candidate has reached its first rung")
    inject(run, "worker_preempted", random.Random(0), workers=WORKERS)
    run.await_end()
    assert_nothing_left(lab)
    assert any(stop.saved for stop in interruptions(run.path))
    assert run.differences(undisturbed) == []
    assert ends(run.path) == ends(undisturbed)


def ends(run: Path) -> dict[tuple[str, str], tuple[str, int]]:
    """How far each training came, by its id and settings."""
    rows = pd.read_parquet(run / "results" / "trials").sort_values("epochs_trained")
    keys, values = zip(rows.trial_id, rows.candidate, strict=True), zip(rows.status, rows.epochs_trained, strict=True)
    return dict(zip(keys, values, strict=True))
