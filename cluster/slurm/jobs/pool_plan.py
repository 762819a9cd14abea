"""How many worker jobs a sweep should have: pure decisions, without Slurm, files or clocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.slurm.records import Demand

STRIKES = 3
"""After this many consecutive workers that ended without joining, more of them will not help."""

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 1800.0
"""Seconds until Slurm is asked again; the pause doubles at each further refusal."""


@dataclass(frozen=True, kw_only=True)
class PoolWorker:
    """A worker job that waits or runs and is not leaving."""

    job_id: str
    profile: int
    """Index among the launch's profiles."""
    waits: bool
    """In Slurm's queue, not started."""
    idle: bool
    """Has had nothing to do for a while."""


@dataclass(frozen=True, kw_only=True)
class PoolPlan:
    """What to do now."""

    submit: tuple[int, ...]
    """Number of new workers of each profile."""
    withdraw: tuple[str, ...]
    """Jobs to take out of the queue."""
    retire: tuple[str, ...]
    """Running jobs to ask to leave."""


def match_pool(workers: Sequence[PoolWorker], demand: Demand, most: Sequence[int]) -> PoolPlan:
    """Match the pool to the demand, with at most `most` workers of each profile; earlier profiles are filled first.

    If more workers wait or idle than the demand can use, the newest leave first. With no demand at all no worker is
    retired: the sweep is about to end, and the remaining measurements need one node of each kind.
    """
    offered = sum(demand.per_worker[worker.profile] for worker in workers)
    submit = []
    counts = Counter(worker.profile for worker in workers)
    missing = demand.slots - offered
    for profile, slots in enumerate(demand.per_worker):
        count = max(min(-(-missing // slots), most[profile] - counts[profile]), 0)
        submit.append(count)
        missing -= count * slots
    surplus = []
    newest_first = workers[::-1]
    for worker in sorted(newest_first, key=lambda worker: not worker.waits):
        expendable = worker.waits or (worker.idle and demand.slots > 0)
        if expendable and offered - demand.per_worker[worker.profile] >= demand.slots:
            offered -= demand.per_worker[worker.profile]
            surplus.append(worker)
    return PoolPlan(
        submit=tuple(submit),
        withdraw=tuple(worker.job_id for worker in surplus if worker.waits),
        retire=tuple(worker.job_id for worker in surplus if not worker.waits),
    )


class Breaker:
    """Holds back submissions of one profile while they do not help; each further failure doubles the pause.

    Times are in seconds, by a clock of the caller's choice.

    Attributes:
        why: the error of Slurm or of the last worker; empty while all is well.
        open_until: when submission will be tried again.
    """

    def __init__(self) -> None:
        self.why = ""
        self.open_until = float("-inf")
        self._pause = 0.0
        self._strikes = 0

    def allowed(self, wanted: int, now: float) -> int:
        """How many of the `wanted` workers may be submitted: after a refusal, one at a time."""
        if now < self.open_until:
            return 0
        return min(wanted, 1) if self.why else wanted

    def refused(self, why: str, now: float) -> None:
        """Record that Slurm accepted no job."""
        self.why = why
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self.open_until = now + self._pause

    def accepted(self) -> None:
        """Record that Slurm accepted a job; whether that helps shows when the worker joins."""
        if self._strikes < STRIKES:
            self.why, self.open_until = "", float("-inf")

    def ended_unjoined(self, why: str, now: float) -> None:
        """Record that a worker ended without ever having joined."""
        self._strikes += 1
        if self._strikes >= STRIKES:
            self.refused(f"{self._strikes} workers in a row ended without joining: {why}", now)

    def joined(self) -> None:
        """Record that a worker has joined: all is well."""
        self.why, self.open_until, self._pause, self._strikes = "", float("-inf"), 0.0, 0
