"""How many worker jobs a sweep should have."""

from cluster.slurm.jobs.pool_plan import FIRST_PAUSE, LONGEST_PAUSE, STRIKES, Breaker, PoolPlan, PoolWorker, match_pool
from cluster.slurm.records import Demand


def worker(job_id: str, *, profile: int = 0, waits: bool = False, idle: bool = False) -> PoolWorker:
    return PoolWorker(job_id=job_id, profile=profile, waits=waits, idle=idle)


def plan(workers: list[PoolWorker], slots: int, per_worker: tuple[int, ...] = (2,), most: int = 4) -> PoolPlan:
    demand = Demand(slots=slots, per_worker=per_worker)
    return match_pool(workers, demand, [most] * len(per_worker))


def test_lost_workers_are_replaced_but_never_beyond_the_limit() -> None:
    assert plan([worker("1"), worker("2", waits=True)], slots=100).submit == (2,)
    assert plan([], slots=100).submit == (4,)


def test_no_more_workers_are_submitted_than_the_demand_can_use() -> None:
    assert plan([], slots=3).submit == (2,)
    assert plan([worker("1")], slots=2).submit == (0,)
    assert plan([], slots=0).submit == (0,)


def test_the_first_profile_is_filled_first() -> None:
    assert plan([], slots=11, per_worker=(2, 4), most=3).submit == (3, 2)
    assert plan([worker("1", profile=1)], slots=11, per_worker=(2, 4), most=3).submit == (3, 1)


def test_waiting_workers_beyond_the_demand_leave_the_queue_newest_first() -> None:
    workers = [worker("1"), worker("2", waits=True), worker("3", waits=True)]
    assert plan(workers, slots=4).withdraw == ("3",)
    assert plan(workers, slots=1).withdraw == ("3", "2")
    assert plan(workers, slots=5).withdraw == ()


def test_idle_workers_beyond_the_demand_are_retired_but_not_busy_ones() -> None:
    workers = [worker("1"), worker("2", idle=True), worker("3")]
    assert plan(workers, slots=2).retire == ("2",)
    assert plan(workers, slots=6).retire == ()


def test_no_worker_is_retired_when_all_trials_have_ended() -> None:
    found = plan([worker("1", idle=True), worker("2", waits=True)], slots=0)
    assert (found.retire, found.withdraw) == ((), ("2",))


def test_the_breaker_opens_at_a_refusal_and_retries_after_longer_and_longer_pauses() -> None:
    breaker = Breaker()
    assert breaker.allowed(3, now=0) == 3
    breaker.refused("QOSMaxSubmitJobPerUserLimit", now=0)
    assert breaker.why == "QOSMaxSubmitJobPerUserLimit"
    assert breaker.allowed(3, now=FIRST_PAUSE - 1) == 0
    assert breaker.allowed(3, now=FIRST_PAUSE) == 1
    breaker.refused("again", now=FIRST_PAUSE)
    assert breaker.allowed(3, now=2.5 * FIRST_PAUSE) == 0
    for _ in range(10):
        breaker.refused("again", now=0)
    assert breaker.open_until == LONGEST_PAUSE
    breaker.joined()
    assert (breaker.why, breaker.allowed(3, now=0)) == ("", 3)


def test_the_breaker_opens_when_workers_end_without_joining() -> None:
    breaker = Breaker()
    for _ in range(STRIKES - 1):
        breaker.ended_unjoined("no CUDA", now=0)
    assert breaker.allowed(2, now=0) == 2
    breaker.ended_unjoined("no CUDA", now=0)
    assert breaker.allowed(2, now=0) == 0
    assert breaker.why == "3 workers in a row ended without joining: no CUDA"
