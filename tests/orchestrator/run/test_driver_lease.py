"""One driver per run directory."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fdt_core.errors import EnvironmentProblem
from orchestrator.run.driver_lease import DriverLease, Overtaken, claim, live_owner, newest_generation, owner_here


def claim_and_tell(directory: Path, results: multiprocessing.Queue[int]) -> None:
    """In a separate process: claim and stay alive for a while."""
    try:
        results.put(claim(directory).number)
        time.sleep(2)
    except EnvironmentProblem:
        results.put(0)


def forge(directory: Path, number: int, **changes: object) -> None:
    """Write the generation of a driver elsewhere."""
    owner = {
        "pid": 1,
        "process_started": 0.0,
        "boot_id": "another machine",
        "host": "elsewhere",
        "slurm_job_id": None,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    (directory / f"{number:06d}.json").write_text(json.dumps(owner | changes))


@pytest.mark.process
def test_of_drivers_that_claim_at_once_one_succeeds(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=claim_and_tell, args=(tmp_path, results)) for _ in range(8)]
    for process in processes:
        process.start()
    numbers = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(numbers) == [0] * 7 + [1]


@pytest.fixture
def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on exFAT, which reports EPERM, and on sshfs, which reports ENOSYS or EOPNOTSUPP."""

    def link(_source: object, _target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@pytest.mark.process
@pytest.mark.usefixtures("no_hard_links")
def test_where_there_are_no_hard_links_one_succeeds_too(tmp_path: Path) -> None:
    for winner in range(1, 6):
        test_of_drivers_that_claim_at_once_one_succeeds(tmp_path / str(winner))


@pytest.mark.usefixtures("no_hard_links")
def test_without_hard_links_drivers_follow_each_other_and_are_overtaken(tmp_path: Path) -> None:
    first = claim(tmp_path)
    with pytest.raises(EnvironmentProblem, match="another driver is running this sweep"):
        claim(tmp_path)
    first.release()
    second = claim(tmp_path)
    assert (first.number, second.number) == (1, 2)
    second.check()
    with pytest.raises(Overtaken):
        first.check()


@pytest.mark.usefixtures("no_hard_links")
def test_a_driver_that_died_between_lock_and_file_costs_its_number(tmp_path: Path) -> None:
    claim(tmp_path).release()
    (tmp_path / "000002.lock").touch()
    assert claim(tmp_path, locked_seconds=0.2).number == 3


def test_a_living_driver_is_named(tmp_path: Path) -> None:
    first = claim(tmp_path)
    with pytest.raises(EnvironmentProblem, match=r"another driver is running this sweep: process \d+ on "):
        claim(tmp_path)
    first.check()


def test_a_released_or_dead_driver_is_followed(tmp_path: Path) -> None:
    claim(tmp_path).release()
    assert claim(tmp_path).number == 2
    imports = "from pathlib import Path; from orchestrator.run.driver_lease import claim"
    script = f"{imports}; claim(Path({str(tmp_path / 'd')!r}))"
    (tmp_path / "d").mkdir()
    subprocess.run([sys.executable, "-c", script], check=True)
    assert claim(tmp_path / "d").number == 2


def test_an_overtaken_driver_may_not_write(tmp_path: Path) -> None:
    mine = claim(tmp_path)
    forge(tmp_path, 2)
    with pytest.raises(Overtaken, match="on elsewhere"):
        mine.check()


class Wait:
    """A clock that only sleeping moves; `beats` says whether a driver elsewhere beats at each of its moments."""

    def __init__(self, lease: DriverLease, beats: Callable[[float], bool]) -> None:
        self.now = 0.0
        self._lease = lease
        self._beats = beats

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._beats(self.now):
            self._lease.beat(round(self.now))


def test_a_driver_elsewhere_lives_if_its_heart_beats_within_the_patience_of_an_observer(tmp_path: Path) -> None:
    forge(tmp_path, 1)
    lease = DriverLease(directory=tmp_path, number=1)
    lease.beat(0)
    late = Wait(lease, lambda now: now > 80)
    assert live_owner(tmp_path, patience=90.0, clock=late.clock, sleep=late.sleep) is not None
    silent = Wait(lease, lambda _now: False)
    assert live_owner(tmp_path, patience=90.0, clock=silent.clock, sleep=silent.sleep) is None
    assert silent.now == pytest.approx(90.0)


def test_slurm_knows_whether_a_job_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge(tmp_path, 1, slurm_job_id="77")
    assert live_owner(tmp_path, job_is_live=lambda job: job == "77") is not None
    assert live_owner(tmp_path, job_is_live=lambda _job: False) is None
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert live_owner(tmp_path, job_is_live=lambda _job: True) is None, "this very job, requeued"


def test_a_generation_is_a_value(tmp_path: Path) -> None:
    assert claim(tmp_path) == DriverLease(directory=tmp_path, number=1)


def test_the_record_of_a_living_driver_has_no_end(tmp_path: Path) -> None:
    """Versions before this one take any `ended_at` for the end of the driver."""
    lease = claim(tmp_path)
    file = tmp_path / "000001.json"
    names = {"pid", "process_started", "boot_id", "host", "slurm_job_id", "started_at"}
    assert json.loads(file.read_text()).keys() == names
    owner = owner_here(tmp_path)
    assert owner is not None
    assert (owner.pid, newest_generation(tmp_path)) == (os.getpid(), 1)
    lease.release()
    assert json.loads(file.read_text()).keys() == {*names, "ended_at"}
    assert owner_here(tmp_path) is None
