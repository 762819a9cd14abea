"""Candidates asked for by the tree-structured Parzen estimator (TPE; Bergstra et al., 2011), as Optuna implements it.

A plan is frozen, and so TPE chooses from a pool that was drawn beforehand: of what it asks for, the nearest candidate
is taken. In a simulation with smooth functions of two fields, the best of 16 candidates was then as good as the best of
32 drawn at random, and a pool twice as large changed little.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fdt_core.errors import EnvironmentProblem

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

POOL = 4
"""The pool has so many candidates for each one that is trained."""

_BATCHES = 4
"""The first batch is drawn at random; the others are asked for, each after the ones before it have scores."""

NEEDS_OPTUNA = "tpe needs Optuna: pip install 'fdt-sweep[tpe]'"


@dataclass(frozen=True, kw_only=True)
class Tpe:
    """How candidates are asked for.

    Args:
        trials: how many candidates of the pool each group trains.
        seed: decides, with the scores, what is asked for.
        points: the place of each candidate of the pool: for each field, from 0 to 1 in its distribution, or the index
            of its value in a list.
        choices: for each field, the number of values in its list; 0 for a distribution.
    """

    trials: Annotated[int, Field(ge=2)]
    seed: int
    points: tuple[tuple[float, ...], ...]
    choices: tuple[int, ...]

    @property
    def batch(self) -> int:
        """How many candidates a batch has."""
        return -(-self.trials // _BATCHES)

    def ask(self, scores: Mapping[int, float | None], count: int) -> tuple[int, ...]:
        """Choose so many other candidates.

        Args:
            scores: what each candidate that has ended its first rung reached there, by its index in the pool; higher
                is better, and None, without a result, is the worst.
            count: how many to choose.

        Raises EnvironmentProblem if Optuna is not installed.
        """
        return _ask(self, tuple(scores.items()), count)

    def nearest(self, point: Sequence[float], indices: Iterable[int]) -> int:
        """Which of these candidates is nearest to a point."""
        return min(indices, key=lambda index: self._distance(self.points[index], point))

    def asked(self, scores: Mapping[int, float | None], count: int) -> list[tuple[float, ...]]:
        """The points that TPE asks for. It takes each of them for a bad one when it chooses the next.

        Raises EnvironmentProblem if Optuna is not installed.
        """
        try:
            import optuna
        except ImportError as error:
            raise EnvironmentProblem(f"tuning with {NEEDS_OPTUNA} ({error})") from error

        fields = {str(number): _field(choices) for number, choices in enumerate(self.choices)}
        sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=1, multivariate=True, constant_liar=True)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(direction="maximize", sampler=sampler)
        finally:
            optuna.logging.set_verbosity(verbosity)
        worst = min((score for score in scores.values() if score is not None), default=0.0) - 1.0
        for index, score in scores.items():
            values = {
                name: _value(at, self.choices[int(name)]) for name, at in zip(fields, self.points[index], strict=True)
            }
            study.add_trial(
                optuna.trial.create_trial(value=worst if score is None else score, params=values, distributions=fields)
            )
        return [_place(study.ask(fields).params, fields) for _ in range(count)]

    def _distance(self, one: Sequence[float], other: Sequence[float]) -> float:
        """The squared distance of two points; different values of a list are as far apart as the ends of a range."""
        return sum(
            float(a != b) if choices else (a - b) ** 2 for a, b, choices in zip(one, other, self.choices, strict=True)
        )


@functools.lru_cache(maxsize=1024)
def _ask(tpe: Tpe, scores: tuple[tuple[int, float | None], ...], count: int) -> tuple[int, ...]:
    """See `Tpe.ask`. A driver needs the same answers again whenever a trial ends, and each takes 5 ms or more."""
    known = dict(scores)
    left = [index for index in range(len(tpe.points)) if index not in known]
    chosen = []
    for point in tpe.asked(known, min(count, len(left))):
        chosen.append(tpe.nearest(point, left))
        left.remove(chosen[-1])
    return tuple(chosen)


def tpe_is_installed() -> bool:
    """Whether Optuna can be imported."""
    return importlib.util.find_spec("optuna") is not None


def _field(choices: int) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return CategoricalDistribution(range(choices)) if choices else FloatDistribution(0.0, 1.0)


def _value(at: float, choices: int) -> float | int:
    return int(at) if choices else at


def _place(params: Mapping[str, float | int], fields: Iterable[str]) -> tuple[float, ...]:
    return tuple(float(params[name]) for name in fields)
