"""However little notice there is: trials save, then the driver ends, then the job."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.machine.drain_timeline import (
    SAVING_SECONDS,
    announces_walltime,
    cancel_patience,
    cancelled_head_end,
    cancelled_worker_end,
    drain_is_due,
    driver_ends_by,
    driver_kill_patience,
    driver_patience,
    is_too_late_for_successor,
    local_drain_deadline,
    must_save_now,
    trials_end_by,
    worker_beside_patience,
    workers_patience,
)

NOW = st.floats(1.7e9, 2.0e9)
LEFT = st.floats(0.01, 30 * 86400)
"""Seconds from the notice to a job's end."""
NOTICE = st.integers(1, 3600)
"""`notice_seconds` of a profile."""


@given(now=NOW, worker_left=LEFT, head_left=LEFT)
def test_trials_end_before_the_driver_and_both_before_their_jobs(
    now: float, worker_left: float, head_left: float
) -> None:
    worker_end, head_end = now + worker_left, now + head_left
    driver_end = driver_ends_by(head_end, now)
    trials_end = trials_end_by(worker_end, driver_end, now)
    assert now < trials_end <= driver_end < head_end
    assert trials_end < worker_end
    assert now < trials_end_by(worker_end, None, now) < worker_end


@given(now=NOW, left=LEFT, later=st.floats(0, 1))
def test_a_deadline_that_is_computed_again_later_is_never_earlier(now: float, left: float, later: float) -> None:
    end, then = now + left, now + later * left
    assert driver_ends_by(end, then) >= driver_ends_by(end, now) - 1e-6
    assert trials_end_by(end, None, then) >= trials_end_by(end, None, now) - 1e-6


@given(now=NOW, left=st.floats(40, 30 * 86400))
def test_with_enough_notice_only_seconds_are_kept_back(now: float, left: float) -> None:
    end = now + left
    assert (end - trials_end_by(end, None, now), end - driver_ends_by(end, now)) == (5, 10)


@given(now=NOW, left=LEFT, epoch=st.floats(0, 86400))
def test_a_trial_that_finishes_its_epoch_can_still_save(now: float, left: float, epoch: float) -> None:
    trials_end = trials_end_by(now + left, driver_ends_by(now + left, now), now)
    if not must_save_now(trials_end, now + epoch):
        assert now + epoch + SAVING_SECONDS <= trials_end


@given(now=NOW, left=st.floats(0.01, SAVING_SECONDS), epoch=st.floats(0, 86400))
def test_with_hardly_any_notice_a_trial_saves_at_once(now: float, left: float, epoch: float) -> None:
    assert must_save_now(trials_end_by(now + left, None, now), now + epoch)


@given(now=NOW, left=LEFT)
def test_a_driver_that_does_not_end_is_killed_before_its_job_ends(now: float, left: float) -> None:
    end = now + left
    driver_end = driver_ends_by(end, now)
    assert driver_end + driver_kill_patience(end, driver_end) < end
    assert driver_kill_patience(end, end + 1) == 0


@given(now=NOW, notice=NOTICE)
def test_a_cancelled_sweep_ends_in_order_before_scancel(now: float, notice: int) -> None:
    worker_end, head_end = cancelled_worker_end(notice, now), cancelled_head_end(notice, now)
    driver_end = driver_ends_by(head_end, now)
    trials_end = trials_end_by(worker_end, driver_end, now)
    assert now < trials_end < worker_end < driver_end < head_end < now + cancel_patience(notice)
    walltime = now + 86400
    last_step = driver_end + driver_kill_patience(walltime, driver_end) + workers_patience(walltime, driver_end)
    assert last_step < now + cancel_patience(notice)


@given(now=NOW, left=LEFT)
def test_what_the_head_job_waits_for_never_takes_its_last_seconds(now: float, left: float) -> None:
    end = now + left
    for patience in (workers_patience(end, now), worker_beside_patience(end, now)):
        assert 0 <= patience <= 60
        assert patience == 0 or now + patience <= end - 10 + 1e-6
    assert is_too_late_for_successor(end, end - 9)
    assert not is_too_late_for_successor(end, end - 11)


@given(end=NOW, drain_seconds=st.integers(1, 3600), early=st.floats(0, 60))
def test_a_signal_up_to_a_minute_early_still_announces_the_walltime(
    end: float, drain_seconds: int, early: float
) -> None:
    due = end - drain_seconds
    assert announces_walltime(end, drain_seconds, due - early)
    assert not announces_walltime(end, drain_seconds, due - 120)
    assert drain_is_due(end, drain_seconds, due)
    assert not drain_is_due(end, drain_seconds, due - 1)


@given(now=NOW)
def test_on_one_machine_the_driver_outlasts_its_trials(now: float) -> None:
    trials_end = local_drain_deadline(now)
    assert trials_end >= now + SAVING_SECONDS
    assert now + driver_patience(trials_end, now) > trials_end
