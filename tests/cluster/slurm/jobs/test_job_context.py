import os
import signal

import pytest

from cluster.slurm.jobs.job_context import JobEnd, current_job, job_end
from tests.cluster.slurm.fakes import FakeClock


def make_end(seconds: float, clock: FakeClock) -> JobEnd:
    return JobEnd(deadline=clock.moment + seconds, drain_seconds=60, notice_seconds=5, clock=clock.clock())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_job_drains_the_profiles_seconds_before_its_end(clock: FakeClock) -> None:
    end = make_end(61, clock)
    assert not end.is_near()
    clock.moment += 1
    assert end.is_near()
    assert end.walltime_is_near()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_brings_the_end_near_at_once(clock: FakeClock, number: int) -> None:
    end = make_end(3600, clock)
    with end.listening():
        os.kill(os.getpid(), number)
        assert end.is_near()
    assert end.deadline == clock.moment + 5
    assert not end.walltime_is_near()


def test_the_signal_that_announces_the_walltime_leaves_all_the_time_there_is(clock: FakeClock) -> None:
    end = make_end(90, clock)
    with end.listening():
        os.kill(os.getpid(), signal.SIGUSR2)
        assert end.deadline == clock.moment + 90
        os.kill(os.getpid(), signal.SIGTERM)  # scancel in the last minute
        assert end.deadline == clock.moment + 5


def test_a_signal_never_postpones_the_end(clock: FakeClock) -> None:
    end = make_end(3, clock)
    end.notice()
    assert end.deadline == clock.moment + 3


def test_the_previous_handlers_come_back(clock: FakeClock) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with make_end(100, clock).listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_array_tasks_are_named_as_in_squeue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JOB_ID": "12", "ARRAY_JOB_ID": "10", "ARRAY_TASK_ID": "2", "RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    job = current_job()
    assert (job.job_id, job.slurm_job_id, job.restarts) == ("10_2", "12", 1)


def test_the_end_is_what_slurm_announces_or_else_the_requested_limit(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    def deadline() -> float:
        job = current_job()
        return job_end(job, time_limit=3600, drain_seconds=60, notice_seconds=5, clock=clock.clock()).deadline

    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "2000000000")
    assert deadline() == 2_000_000_000
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    monkeypatch.setenv("PATH", "/nowhere")  # no squeue
    assert deadline() == clock.moment + 3600
