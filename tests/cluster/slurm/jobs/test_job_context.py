import os
import signal
import time

import pytest

from cluster.slurm.jobs.job_context import JobEnd, current_job, job_end


def make_end(seconds: float) -> JobEnd:
    return JobEnd(deadline=time.time() + seconds, drain_seconds=60, notice_seconds=5)


def test_a_job_drains_so_long_before_its_end() -> None:
    assert not make_end(61).is_near()
    assert make_end(59).is_near()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_brings_the_end_near_at_once(number: int) -> None:
    end = make_end(3600)
    with end.listening():
        os.kill(os.getpid(), number)
        assert end.is_near()
    assert end.deadline == pytest.approx(time.time() + 5, abs=1)


def test_the_signal_that_announces_the_walltime_leaves_all_the_time_there_is() -> None:
    end = make_end(90)
    with end.listening():
        os.kill(os.getpid(), signal.SIGUSR2)
        assert end.deadline > time.time() + 80
        os.kill(os.getpid(), signal.SIGTERM)  # scancel in the last minute
        assert end.deadline < time.time() + 6


def test_a_signal_never_puts_the_end_off() -> None:
    end = make_end(3)
    end.notice()
    assert end.deadline < time.time() + 4


def test_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with make_end(100).listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_array_tasks_are_named_as_squeue_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JOB_ID": "12", "ARRAY_JOB_ID": "10", "ARRAY_TASK_ID": "2", "RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    job = current_job()
    assert (job.job_id, job.slurm_job_id, job.restarts) == ("10_2", "12", 1)


def test_the_end_is_what_slurm_announces_else_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    limits = {"time_limit": 3600, "drain_seconds": 60, "notice_seconds": 5}
    monkeypatch.setenv("SLURM_JOB_END_TIME", "2000000000")
    assert job_end(current_job(), **limits).deadline == 2_000_000_000
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    monkeypatch.setenv("PATH", "/nowhere")  # no squeue
    assert job_end(current_job(), **limits).deadline == pytest.approx(time.time() + 3600, abs=2)
