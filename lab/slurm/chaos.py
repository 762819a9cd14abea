"""Run a sweep on the lab's Slurm under random faults, one after another: its rows must equal those of a local run.

    python -m lab.slurm.chaos 1 2 3        (or: make chaos SEED="1 2 3")

Each seed is one sweep on two partitions with at least ten faults, whose kinds, victims and times follow from the seed.
Prints each fault and its cost; exits with 1 if rows differ, too few faults were injected, or something is left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.slurm.faults import FAULTS, Injection, costs, inject
from lab.slurm.requirements import obstacle
from lab.slurm.slurm_lab import SlurmLab, running_lab
from lab.slurm.slurm_runs import LONGER_SWEEP, SlurmRun, assert_nothing_left, run_locally, write_profile
from lab.slurm.time_lost import started_after_drain

SWEEP = LONGER_SWEEP.replace("seeds: 4", "seeds: 12")
MIN_FAULTS = 10


def chaos(run: SlurmRun, seed: int, reference: Path) -> Iterator[str]:
    """Run the sweep under the faults of `seed`; yields lines of a report. Raises AssertionError if a check fails."""
    chance = random.Random(seed)
    further = write_profile(run.directory / "abrupt.yaml", run.lab, partition="abrupt", max_workers=2)
    started = time.time()
    run.launch("--no-profile", max_workers=2, also=[str(further)])
    injections: list[Injection] = []
    for name in _kinds(chance):
        time.sleep(chance.uniform(0, 4))
        if run.is_over():
            break
        injections.append(inject(run, name, chance))
        yield f"{injections[-1].at - started:5.0f} s  {name}: {injections[-1].hit}"
    run.await_end()
    yield from (f"  {line}" for line in costs(run, injections))
    yield f"  {len(injections)} faults in {time.time() - started:.0f} s"
    assert len(injections) >= MIN_FAULTS, f"the sweep was over after {len(injections)} faults"
    assert run.differences(reference) == []
    assert sum(started_after_drain(run.path).values()) == 0, started_after_drain(run.path)
    assert_nothing_left(run.lab, after_power_cut=any(injection.is_power_cut for injection in injections))


def _kinds(chance: random.Random) -> Sequence[str]:
    """Every kind of fault once, and more to reach the minimum, in random order."""
    kinds = list(FAULTS)
    kinds += chance.choices(kinds, k=max(MIN_FAULTS - len(kinds), 0) + 1)
    return chance.sample(kinds, len(kinds))


def run_seed(lab: SlurmLab, data: Path, seed: int, reference: Path) -> bool:
    """Run and report on the sweep of `seed`; returns whether it passed all checks."""
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        run = SlurmRun(lab=lab, directory=Path(directory), data=data, sweep=SWEEP)
        try:
            for line in chaos(run, seed, reference):
                print(line, flush=True)
        except (AssertionError, TimeoutError) as error:
            print(f"seed {seed}: FAILED: {error}", flush=True)
            print(run.fdt_sweep("status"), run.fdt_sweep("logs", "head"), sep="\n", flush=True)
            return False
    print(f"seed {seed}: equal rows, nothing left", flush=True)
    return True


def main() -> None:
    """Run the seeds of the command line one after another, each in a new lab."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="+")
    seeds = parser.parse_args().seeds
    if why := obstacle():
        sys.exit(why)
    with tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        data = Path(directory) / "data"
        reference = run_locally(Path(directory), data, "--no-profile", text=SWEEP)
        outcomes = []
        for seed in seeds:
            with running_lab() as lab:
                outcomes.append(run_seed(lab, data, seed, reference))
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
