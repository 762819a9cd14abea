"""Tuning: which candidates go on at each rung, and which one wins. Pure decisions, from validation scores alone.

Synchronous successive halving (Jamieson and Talwalkar, 2016): a rung is decided when every candidate in it has ended
it, so the same results give the same decisions in whatever order they arrive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from fdt_core.results.keys import BASE
from fdt_core.results.tuning.tpe import Tpe

Stage = Literal["comparison", "tuning"]
"""What a training is for: `tuning` chooses settings; only `comparison` counts in tables."""

COMPARED: Stage = "comparison"
TUNED: Stage = "tuning"

TuningGroup = tuple[Any, ...]
"""Model, width, variant and data set, and the template unless base is tuned for all: they get one winner together."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How a plan tunes before it compares.

    Args:
        candidates: the names of the candidates, in the order drawn; every group gets all of them, unless `tpe` chooses.
        seeds: the seeds that each candidate is trained with; none of them is a seed of the comparison.
        factor: of so many candidates, one goes on to the next rung; None: all of them are trained to the end.
        every_template: whether each template is tuned; otherwise base is, and its winner serves all templates.
        tpe: how a group chooses from the candidates; None: it trains all of them.
    """

    candidates: Annotated[tuple[str, ...], Field(min_length=2)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    factor: int | None = None
    every_template: bool = True
    tpe: Tpe | None = None

    def __post_init__(self) -> None:
        """Raises ValueError if the candidates are not those that TPE chooses from."""
        if self.tpe and not self.tpe.trials <= len(self.tpe.points) == len(self.candidates):
            raise ValueError("tpe needs a point for each candidate, and at least as many candidates as trials")

    @property
    def drawn(self) -> tuple[str, ...]:
        """The candidates that every group trains, as they were drawn: all, or with TPE, the first batch."""
        return self.candidates[: self.tpe.batch] if self.tpe else self.candidates

    @property
    def trials(self) -> int:
        """How many candidates each group trains."""
        return self.tpe.trials if self.tpe else len(self.candidates)

    def group(self, row: Mapping[str, Any]) -> TuningGroup:
        """The group of a row of `trials`, or of a planned trial."""
        return (
            row["model"],
            row["width"],
            row["variant"],
            row["dataset"],
            row["template"] if self.every_template else "",
        )

    def tunes(self, template: str) -> bool:
        """Whether candidates are trained with this template."""
        return self.every_template or template == BASE

    def places(self, rung: int) -> int:
        """How many candidates go on from a rung (the first is 1)."""
        return self.trials if self.factor is None else max(1, self.trials // self.factor**rung)


class Score(NamedTuple):
    """What the held-out images say of a candidate at a rung: accuracy in per cent, and loss in nats."""

    accuracy: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Course:
    """The training of a candidate with one seed, as far as it got.

    Args:
        scores: at each rung that it has reached.
        ended: whether it reaches no further rung, because it diverged or was given up.
        begun: whether it has a row.
    """

    scores: tuple[Score, ...] = ()
    ended: bool = False
    begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Halving:
    """How far the candidates of a group go.

    Args:
        reach: for each candidate, the rung that it is wanted to reach; the first is 1.
        kept: for each decided rung, the candidates that go on, the best first.
        decided: whether nothing is left to decide.
    """

    reach: Mapping[str, int]
    kept: tuple[tuple[str, ...], ...]
    decided: bool

    @property
    def winner(self) -> str | None:
        """The chosen candidate; None before the decision, or if no candidate has a result."""
        return self.kept[-1][0] if self.decided and self.kept and self.kept[-1] else None


def halving(courses: Mapping[str, Sequence[Course]], tuning: Tuning, rungs: int) -> Halving:
    """Decide the rungs of a group that can be decided.

    The candidates with the highest mean validation accuracy over seeds go on; of equal ones, those with the lower
    validation loss, then those drawn first. A candidate that has a seed without a score goes no further. When a single
    one is left, it has won.

    Args:
        courses: the trainings of each candidate that is tried, one for each seed.
        tuning: how many go on; while fewer candidates than it tries are known, the first rung stays open.
        rungs: how many there are; the last is the end of the training.
    """
    order = {name: index for index, name in enumerate(tuning.candidates)}
    reach = dict.fromkeys(sorted(courses, key=order.__getitem__), 1)
    going, kept = tuple(reach), list[tuple[str, ...]]()
    are_all_known = tuning.tpe is None or len(courses) >= tuning.trials
    for rung in range(1, rungs + 1):
        reach |= dict.fromkeys(going, rung)
        waits = any(len(course.scores) < rung and not course.ended for name in going for course in courses[name])
        if waits or not are_all_known:
            return Halving(reach=reach, kept=tuple(kept), decided=False)
        scored = [name for name in going if all(len(course.scores) >= rung for course in courses[name])]
        places = tuning.places(rung) if rung < rungs else len(scored)
        going = tuple(sorted(scored, key=lambda name: (*_rank(courses[name], rung), order[name]))[:places])
        kept.append(going)
        if len(going) <= 1 and tuning.factor is not None:
            break
    return Halving(reach=reach, kept=tuple(kept), decided=True)


def _rank(courses: Sequence[Course], rung: int) -> tuple[float, float]:
    """Sorts the best first."""
    scores = [course.scores[rung - 1] for course in courses]
    loss = math.fsum(score.loss for score in scores)
    return -math.fsum(score.accuracy for score in scores), loss if math.isfinite(loss) else math.inf
