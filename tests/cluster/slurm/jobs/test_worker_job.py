"""A worker job with a small process in place of `ray start`; with a real Ray in test_worker_job_with_ray."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.machine.drain import raise_drain_flag
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.records import PATIENCE_WITHOUT_HEAD, HeadState, WorkerState
from tests.cluster.devices.probe_answers import ECC, H100, probe
from tests.cluster.slurm.fakes import launched
from tests.cluster.slurm.jobs.fake_worker import (
    IDLE,
    LEAVES,
    TRIAL,
    Worker,
    end_in,
    launch,
    listening,
    nothing,
    publish,
)

pytestmark = pytest.mark.process


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker whose job has an hour left."""
    found = Worker(SlurmFiles(tmp_path / "run" / "slurm"), tmp_path)
    launch(found)
    for name, value in {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n7"}.items():
        monkeypatch.setenv(name, value)
    end_in(worker=found, seconds=3600, monkeypatch=monkeypatch)
    return found


@pytest.fixture
def address(worker: Worker) -> Iterator[str]:
    """The address of an open head."""
    with listening() as found:
        publish(worker, HeadState.OPEN, found)
        yield found


def test_a_worker_serves_until_the_sweep_is_over(
    worker: Worker, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.run(nothing, lambda: publish(worker, HeadState.CLOSED))
    assert worker.joined == [address]
    assert worker.ended() == (WorkerState.ENDED, "the sweep is over")
    assert worker.record().joined_at is not None
    assert worker.record().ends_at == worker.record().started_at + 3600
    reported = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert reported == [
        "worker 7: starting",
        f"worker 7: joined the head at {address}",
        "worker 7: ended the sweep is over",
    ]


def test_a_sweep_that_is_over_needs_no_drain(worker: Worker, address: str) -> None:
    worker.node = TRIAL
    worker.run(lambda: publish(worker, HeadState.CLOSED))
    assert worker.drained_by == [None]


def test_a_worker_waits_for_a_head_that_answers(worker: Worker) -> None:
    with listening() as gone:
        publish(worker, HeadState.OPEN, gone)
    with listening() as address:
        worker.run(
            lambda: publish(worker, HeadState.EXPECTED),
            lambda: publish(worker, HeadState.OPEN, address),
            lambda: publish(worker, HeadState.CLOSED),
        )
    assert worker.joined == [address]


def test_a_worker_without_a_head_gives_up(worker: Worker) -> None:
    started_at = worker.clock.moment
    worker.run()
    assert worker.ended() == (WorkerState.ENDED, "no head for 600 s")
    assert worker.clock.moment == pytest.approx(started_at + PATIENCE_WITHOUT_HEAD, abs=0.01)
    assert worker.joined == []


def test_a_worker_that_has_joined_waits_as_long_for_the_next_head(worker: Worker, address: str) -> None:
    left_at = worker.clock.moment + 301
    worker.run(*[nothing] * 300, lambda: publish(worker, HeadState.MOVING))
    assert worker.ended() == (WorkerState.ENDED, "no head for 600 s")
    assert worker.clock.moment == pytest.approx(left_at + PATIENCE_WITHOUT_HEAD, abs=0.01)


def test_a_worker_follows_the_head_to_its_successor(worker: Worker, address: str) -> None:
    with listening() as other:
        worker.run(
            lambda: publish(worker, HeadState.MOVING),
            lambda: publish(worker, HeadState.OPEN, other),
            lambda: publish(worker, HeadState.CLOSED),
        )
        assert worker.joined == [address, other]
    waiting = worker.beats[1]
    assert (waiting.state, waiting.why) == (WorkerState.WAITING, f"it has left the head at {address}")
    assert waiting.joined_at is None


def test_a_worker_joins_each_head_as_that_head_wants_whatever_its_own_launch_wanted(
    worker: Worker, address: str
) -> None:
    with listening() as other:
        worker.run(
            lambda: publish(worker, HeadState.OPEN, other, tls=False),
            nothing,
            lambda: publish(worker, HeadState.CLOSED),
        )
    assert worker.joined == [address, other]
    assert worker.credentials == [worker.files.credentials(tls=tls) for tls in (True, False)]


def test_a_worker_whose_ray_node_ends_joins_again(
    worker: Worker, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.node = "[ -e once ] && exec sleep 1000; touch once"
    worker.run(lambda: publish(worker, HeadState.CLOSED))
    assert worker.joined == [address, address]
    assert "ray start ended by itself:\nRay runtime started." in capsys.readouterr().out


def test_a_cancelled_worker_drains_within_the_sites_notice(worker: Worker, address: str) -> None:
    worker.node = LEAVES
    cancelled_at = worker.clock.moment + 1
    worker.run(worker.files.cancel.touch)
    assert worker.ended() == (WorkerState.ENDED, "cancelled")
    assert worker.record().draining_since == pytest.approx(cancelled_at, abs=0.01)
    assert worker.drained_by == [pytest.approx(cancelled_at + 20 - 5, abs=0.01)]


def test_an_idle_worker_that_is_asked_to_leave_leaves(worker: Worker, address: str) -> None:
    worker.run(lambda: worker.files.ask_to_leave("7"))
    assert worker.ended() == (WorkerState.ENDED, "nothing more to do here")
    assert worker.record().draining_since is not None


def test_a_request_to_leave_from_before_a_requeue_is_void(worker: Worker, address: str) -> None:
    worker.files.ask_to_leave("7")
    worker.run(lambda: publish(worker, HeadState.CLOSED))
    assert worker.ended() == (WorkerState.ENDED, "the sweep is over")


def test_a_worker_drains_before_its_job_ends(worker: Worker, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.node = LEAVES
    end_in(worker, 103, monkeypatch)
    end = worker.clock.moment + 103
    worker.run()
    assert worker.ended() == (WorkerState.ENDED, "the job's end is near")
    assert worker.drained_by == [pytest.approx(end - 5, abs=0.01)]
    assert worker.clock.moment < end - 90, "it ends as soon as the trials have left"


def test_trials_that_do_not_leave_are_awaited_up_to_their_deadline(
    worker: Worker, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.node = TRIAL
    launch(worker, drain_seconds=4)
    end_in(worker, 6, monkeypatch)
    end = worker.clock.moment + 6
    worker.run()
    assert worker.drained_by == [pytest.approx(end - 1, abs=0.01)], "a quarter of what is left, to end in order"
    assert end - 1 <= worker.clock.moment < end - 0.5


def test_the_drivers_drain_reaches_the_trials(worker: Worker, address: str) -> None:
    deadline = worker.clock.moment + 50
    worker.run(
        lambda: raise_drain_flag(worker.files.drain, deadline), nothing, lambda: publish(worker, HeadState.CLOSED)
    )
    assert worker.drained_by == [pytest.approx(deadline, abs=0.01)]


@pytest.mark.parametrize(("node", "idle"), [(IDLE, True), (TRIAL, False)])
def test_the_heartbeat_counts_beats_without_trials(worker: Worker, address: str, node: str, idle: bool) -> None:
    worker.node = node
    worker.run(*[nothing] * 16, lambda: publish(worker, HeadState.CLOSED))
    assert worker.beats[-1].beat == worker.beats[0].beat + 3, "one every 5 s"
    assert worker.beats[-1].idle_beats == (3 if idle else 0)


def test_a_worker_that_the_site_requeued_is_refused(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    worker.run(status=3)
    assert worker.ended() == (
        WorkerState.REFUSED,
        "the site requeued this worker, which has been replaced already",
    )
    assert not worker.record().unfit


def test_a_worker_beside_a_requeued_head_serves(worker: Worker, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    worker.run(lambda: publish(worker, HeadState.CLOSED), beside_head=True)
    assert worker.joined == [address]


def test_a_worker_of_a_profile_that_the_launch_no_longer_has_is_refused(worker: Worker) -> None:
    worker.run(status=3, profile="gone")
    assert worker.ended() == (WorkerState.REFUSED, "the sweep was launched again, without the profile 'gone'")


def test_a_worker_with_other_software_is_refused(worker: Worker) -> None:
    found = launched(worker.files, name="site", device="cpu", gpus_per_node=0)
    other = dataclasses.replace(found, fingerprint=found.fingerprint | {"torch_version": "0.4.1"})
    write_record(worker.files.launch, other)
    worker.run(status=3)
    assert worker.record().state == WorkerState.REFUSED
    assert "torch_version" in worker.record().why


def test_a_worker_that_does_not_see_the_prepared_data_is_refused(worker: Worker) -> None:
    found = launched(worker.files, name="site", device="cpu", gpus_per_node=0)
    other = dataclasses.replace(found, data_directory="/nowhere", dataset_digests={"cifar10": "ab" * 32})
    write_record(worker.files.launch, other)
    worker.run(status=3)
    assert worker.record().state == WorkerState.REFUSED
    assert "'cifar10' is not prepared in /nowhere" in worker.record().why


def test_a_worker_rejoins_without_a_broken_device_and_is_refused_without_any(
    worker: Worker, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    launch(worker, device="cuda", gpus_per_node=2)
    answers = tmp_path / "answers"
    answers.mkdir()

    def suspect_the_next() -> None:
        if len(suspected) < len(worker.joined):
            device = str(len(suspected))
            suspected.append(device)
            worker.files.suspect("7", device)
        time.sleep(0.02)  # for the probe to answer

    suspected: list[str] = []
    worker.run(*[suspect_the_next] * 1000, status=3, probe=probe(answers, _0=[H100, ECC], _1=[H100, ECC]))
    assert worker.joined == [address, address]
    rejoined = [record for record in worker.beats if record.state == WorkerState.JOINED][-1]
    assert rejoined.devices == ("NVIDIA H100",)
    assert "left out: CUDA device 0" in rejoined.why
    assert worker.record().state == WorkerState.REFUSED
    assert "CUDA device 1 (NVIDIA H100" in worker.record().why
    assert worker.record().unfit
