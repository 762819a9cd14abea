"""A sweep on the lab's Slurm under random faults, one after the other: its rows are those of a quiet local run.

    python -m lab.slurm.chaos 1 2 3        (or: make chaos SEED="1 2 3")

Each seed is one sweep on two partitions, hit by at least ten faults, whose kinds, victims and moments follow from the
seed. Prints each fault with what it cost; exits with 1 where rows differ, faults were too few, or something is left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.slurm.faults import FAULTS, Blow, losses, strike
from lab.slurm.requirements import obstacle
from lab.slurm.slurm_lab import SlurmLab, running_lab
from lab.slurm.slurm_runs import LONGER_SWEEP, SlurmRun, assert_nothing_left, run_locally, write_profile
from lab.slurm.time_lost import begun_after_drain

SWEEP = LONGER_SWEEP.replace("seeds: 4", "seeds: 12")
LEAST_FAULTS = 10


def chaos(run: SlurmRun, seed: int, reference: Path) -> Iterator[str]:
    """Run the sweep under the faults of `seed`; yields what there is to say, and raises AssertionError."""
    chance = random.Random(seed)
    further = write_profile(run.directory / "abrupt.yaml", run.lab, partition="abrupt", max_workers=2)
    began = time.time()
    run.launch("--no-profile", max_workers=2, also=[str(further)])
    blows: list[Blow] = []
    for name in _kinds(chance):
        time.sleep(chance.uniform(0, 4))
        if run.is_over():
            break
        blows.append(strike(run, name, chance))
        yield f"{blows[-1].at - began:5.0f} s  {name}: {blows[-1].hit}"
    run.await_end()
    yield from (f"  {line}" for line in losses(run, blows))
    yield f"  {len(blows)} faults in {time.time() - began:.0f} s"
    assert len(blows) >= LEAST_FAULTS, f"the sweep was over after {len(blows)} faults"
    assert run.differences(reference) == []
    assert sum(begun_after_drain(run.path).values()) == 0, begun_after_drain(run.path)
    assert_nothing_left(run.lab)


def _kinds(chance: random.Random) -> Sequence[str]:
    """Every kind of fault once, and further ones to make up the number, in random order."""
    kinds = list(FAULTS)
    kinds += chance.choices(kinds, k=max(LEAST_FAULTS - len(kinds), 0) + 1)
    return chance.sample(kinds, len(kinds))


def run_seed(lab: SlurmLab, data: Path, seed: int, reference: Path) -> bool:
    """Whether the sweep of `seed` came out right; says so."""
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
    """Run the seeds of the command line one after the other in one lab."""
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
