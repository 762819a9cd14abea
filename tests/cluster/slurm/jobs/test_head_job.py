"""The head's job, with small processes in place of driver, pool and worker, and fake Slurm commands."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.machine.drain import read_drain_flag
from cluster.machine.processes import start_session
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.head_job import DRIVERS, run_head
from cluster.slurm.records import Demand, HeadRecord, HeadState, Role
from tests.cluster.fake_slurm import FakeSlurm
from tests.cluster.slurm.fakes import FakeClock, launched

pytestmark = pytest.mark.process

SAVES = "trap 'exit 75' TERM; touch running; while :; do sleep 0.01; done"
"""A driver that runs until it is asked to save."""


@dataclass
class Head:
    """A head's job (number 1) whose processes are shell scripts in the run's Slurm directory."""

    files: SlurmFiles
    pool: str = "sleep 1000"
    worker: str = "true"
    asleep: Callable[[], None] = lambda: None
    started: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, driver: str, **keys: Any) -> int:
        """Run the job to its end; returns its exit status."""
        launched(self.files, "sh", "-c", driver, **keys)
        return self.run_launched()

    def run_launched(self) -> int:
        """Run the job of what is launched already."""
        clock = FakeClock(moment=time.time(), on_sleep=self._sleep).clock()
        with pytest.raises(SystemExit) as exit_:
            run_head(str(self.files.directory), start=self._start, clock=clock)
        assert isinstance(exit_.value.code, int)
        return exit_.value.code

    def record(self) -> tuple[HeadState, str, int | None]:
        head = self.files.read_head()
        assert head is not None
        return head.state, head.why, head.status

    def _sleep(self) -> None:
        time.sleep(0.01)
        self.asleep()

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        roles = {
            "cluster.slurm.jobs.pool": ("pool", self.pool),
            "cluster.slurm.jobs.worker_job": ("worker", self.worker),
        }
        name, script = next((roles[part] for part in command if part in roles), ("driver", command[-1]))
        self.started.append(name)
        inside = f"cd '{self.files.directory}'; {script}"
        self.processes.append(start_session(["sh", "-c", inside], environment=os.environ))
        return self.processes[-1]


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_slurm: FakeSlurm) -> Head:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    end_in(3600, monkeypatch)
    return Head(SlurmFiles(tmp_path / "run" / "slurm"))


def end_in(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(time.time() + seconds))


def name_of(head: Head, role: Role) -> str:
    return launched(head.files).name_of(role)


@pytest.mark.parametrize("status", [0, 1, 3, 75, 130])
def test_the_sweep_is_closed_with_the_drivers_status(head: Head, status: int) -> None:
    assert head.run(f"exit {status}") == status
    assert head.record() == (HeadState.CLOSED, "the driver has ended", status)
    assert head.started == ["driver", "pool"]
    assert all(process.poll() is not None for process in head.processes), "the pool is ended too"


def test_workers_that_still_wait_are_taken_out_of_the_queue(head: Head, fake_slurm: FakeSlurm) -> None:
    fake_slurm.answers(queue=f"9|9|PENDING|Priority|{name_of(head, Role.WORKER)}\n6|6|PENDING|Priority|another's\n")
    head.run("exit 0")
    assert fake_slurm.queue() == ["6"]


def test_what_an_earlier_driver_left_is_removed(head: Head) -> None:
    head.files.create()
    head.files.drain.write_text("1.0\n")
    write_record(head.files.demand, Demand(slots=8, per_worker=(4,)))
    assert head.run("[ -e drain ] || [ -e demand.json ] && exit 1; exit 0") == 0


def test_a_job_with_other_software_starts_no_driver(head: Head) -> None:
    launch = launched(head.files, "true")
    other = dataclasses.replace(launch, fingerprint=launch.fingerprint | {"torch_version": "0.4.1"})
    write_record(head.files.launch, other)
    assert head.run_launched() == 3
    state, why, status = head.record()
    assert (state, status) == (HeadState.CLOSED, 3)
    assert "torch_version" in why
    assert head.started == []


def test_a_driver_that_is_killed_is_started_again(head: Head) -> None:
    assert head.run("[ -e once ] && exit 0; touch once; kill -9 $$") == 0
    assert head.started.count("driver") == 2


def test_a_driver_that_is_always_killed_ends_the_sweep(head: Head) -> None:
    assert head.run("kill -9 $$") == 137
    assert head.started.count("driver") == DRIVERS
    assert head.record() == (HeadState.CLOSED, "the driver has ended", 137)


def test_a_pool_that_ends_is_started_again(head: Head) -> None:
    head.pool = "[ -e once ] && exec sleep 1000; touch once"
    head.asleep = lambda: (head.files.directory / "done").touch() if head.started.count("pool") > 1 else None
    assert head.run("while [ ! -e done ]; do sleep 0.01; done") == 0


def test_cancelling_ends_the_pool_and_then_has_the_driver_save(head: Head) -> None:
    head.asleep = lambda: head.files.cancel.touch() if (head.files.directory / "running").exists() else None
    before = time.time()
    assert head.run(SAVES, notice_seconds=20) == 75
    assert head.record() == (HeadState.CLOSED, "the driver has ended", 75)
    deadline = read_drain_flag(head.files.drain)
    assert deadline is not None
    assert before + 20 < deadline < before + 20 + 60
    assert head.started == ["driver", "pool"], "no pool any more that would replace the workers that leave"


def test_a_notice_from_slurm_keeps_the_sweep_open_for_the_requeued_job(head: Head, fake_slurm: FakeSlurm) -> None:
    def preempt() -> None:
        if (head.files.directory / "running").exists():
            head.asleep = lambda: None
            os.kill(os.getpid(), signal.SIGTERM)

    head.asleep = preempt
    assert head.run(SAVES) == 75
    assert head.record() == (HeadState.MOVING, "Slurm is about to end the head's job", 75)
    assert fake_slurm.queue() == [], "Slurm requeues this job itself"


def test_at_its_walltime_the_head_submits_a_successor(
    head: Head, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in(100, monkeypatch)
    assert head.run(SAVES) == 75
    assert head.record() == (HeadState.MOVING, "the head's time is over; its successor is job 71", 75)
    (script,) = head.files.jobs.glob("*_submission.sh")
    assert "#SBATCH --dependency=afterany:1\n" in script.read_text()


def test_a_successor_that_waits_already_is_not_submitted_again(
    head: Head, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in(100, monkeypatch)
    name = name_of(head, Role.HEAD)
    fake_slurm.answers(queue=f"1|1|RUNNING|None|{name}\n5|5|PENDING|Dependency|{name}\n")
    head.run(SAVES)
    assert head.record()[1] == "the head's time is over; its successor is job 5"
    assert fake_slurm.queue() == ["1", "5"]


def test_a_successor_is_submitted_once_slurm_answers_again(
    head: Head, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in(100, monkeypatch)
    fake_slurm.answers(down="")

    def come_up_at_the_second_question() -> None:
        if len(fake_slurm.calls("squeue")) > 1:
            (fake_slurm.folder / "down").unlink(missing_ok=True)

    head.asleep = come_up_at_the_second_question
    head.run(SAVES)
    assert head.record()[1] == "the head's time is over; its successor is job 71"


def test_without_slurm_the_user_is_asked_to_launch_again(
    head: Head, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in(9, monkeypatch)
    fake_slurm.answers(down="")
    assert head.run(SAVES) == 75
    state, why, _ = head.record()
    assert state == HeadState.MOVING
    assert "it could not submit its successor: launch again (squeue: " in why


def test_a_driver_that_does_not_save_is_killed_before_the_job_ends(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    end_in(1, monkeypatch)
    started = time.monotonic()
    assert head.run("trap '' TERM; while :; do sleep 0.01; done") == 137
    assert time.monotonic() - started < 30
    assert head.record()[0] == HeadState.MOVING


def test_a_later_heads_record_is_left_alone(head: Head) -> None:
    head.files.create()
    later = HeadRecord(state=HeadState.OPEN, job_id="2", address="10.0.0.1:1", written_at=1.0)
    write_record(head.files.head, later)
    assert head.run("exit 0") == 0
    assert head.files.read_head() == later


def test_the_head_starts_a_worker_beside_it_if_the_profile_asks_for_one(head: Head) -> None:
    head.worker = "touch worker_ran"
    assert head.run("exit 0", gpus_per_node=1, **{"head.placement": "first_worker"}) == 0
    assert head.started == ["worker", "driver", "pool"]
    assert (head.files.directory / "worker_ran").exists()
