"""The key `tune` of a sweep file: what is tuned before the comparison, with which budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from fdt_core.errors import nearest_match
from fdt_core.results.tuning import Tuning
from fdt_core.results.tuning.tpe import POOL, Tpe
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.candidates import (
    FORMS,
    Distribution,
    Space,
    distribution,
    drawn_candidates,
    listed_candidates,
    places,
)
from orchestrator.plan.variants import Variant

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

MAX_CANDIDATES = 1000
MAX_TUNING_SEEDS = 100

DEFAULT_VALIDATION = 0.1

FIRST_TUNING_SEED = 1_000_000
"""Tuning has seeds of its own, so that the winner is compared on fresh ones, also if seeds are added later."""

_NOT_TUNED = ("epochs", "evaluate_every", "evaluate_at", "validation", "evaluate_test")
"""Fields that decide how long a candidate is trained, or what it is judged by."""

TUNABLE = tuple(each.name for each in dataclasses.fields(Recipe) if each.name not in _NOT_TUNED)

TRIALS, SAMPLER = "trials", "sampler"
"""The keys of `sample` beside fields of the recipe."""

RANDOM, TPE = "random", "tpe"
"""The samplers: all candidates drawn at random, or most of them asked for by the scores of earlier ones."""

Axis = Literal["model", "template", "dataset"]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Halving:
    """Stop the worse candidates early, at rungs: `first`, `first` times `factor`, and so on."""

    factor: Annotated[int, Field(ge=2)] = 3
    """Of so many candidates, one goes on from each rung."""
    first: Annotated[int, Field(ge=1)]
    """The epochs that every candidate gets."""

    def rungs(self, epochs: int) -> Iterator[int]:
        """The epochs of the rungs before the end of a training."""
        rung = self.first
        while rung < epochs:
            yield rung
            rung *= self.factor


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Tune:
    """How to tune. Every model, template and data set gets the same candidates, budget and rule."""

    vary: Mapping[str, Annotated[tuple[object, ...], Field(min_length=1)]] = field(default_factory=dict)
    """Fields of the recipe with several values: every combination is a candidate."""
    sample: Mapping[str, object] = field(default_factory=dict)
    """Instead, candidates drawn at random: `trials`, and for each field of the recipe what to draw its value from."""
    seeds: Annotated[int, Field(ge=1, le=MAX_TUNING_SEEDS)] = 1
    """How many trainings each candidate is judged by."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Decides what is drawn."""
    select: Literal["validation"] = "validation"
    """What decides: the accuracy on held-out training images."""
    validation: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """The fraction of the training images that is held out; by default the recipe's, or else `DEFAULT_VALIDATION`."""
    halving: Halving | None = None
    per: tuple[Axis, ...] = ("model", "template", "dataset")
    """What gets a winner of its own; without `template`, base is tuned for all templates."""

    @field_validator("select", mode="before")
    @classmethod
    def _never_by_test(cls, value: Any) -> Any:
        if value in ("test", ["test"]):
            raise ValueError("must be validation (settings chosen by test images look better than they are)")
        return value

    @field_validator("sample", mode="before")
    @classmethod
    def _rejoined(cls, given: Any) -> Any:
        """In braces, YAML takes `log(0.01, 0.5)` apart at its comma: into a value, and a key without one."""
        if not isinstance(given, Mapping):
            return given
        whole: dict[str, object] = {}
        for name, value in given.items():
            last = next(reversed(whole), None)
            opened = whole[last] if last is not None else None
            if value is None and name.endswith(")") and isinstance(opened, str) and ")" not in opened:
                whole[str(last)] = f"{opened}, {name}"
            else:
                whole[name] = value
        return whole

    @field_validator("vary", "sample")
    @classmethod
    def _tunable(cls, given: Mapping[str, object], info: ValidationInfo) -> Mapping[str, object]:
        beside = (TRIALS, SAMPLER) if info.field_name == "sample" else ()
        for name in given.keys() - set(beside):
            if name in _NOT_TUNED:
                raise ValueError(f"{name} cannot be tuned: candidates must have the same budget and judge")
            if name not in TUNABLE:
                raise ValueError(f"{name!r} is no field of a recipe{nearest_match(name, (*TUNABLE, *beside))}")
        return given

    @field_validator("sample")
    @classmethod
    def _complete(cls, given: Mapping[str, object]) -> Mapping[str, object]:
        if not given:
            return given
        trials, sampler = given.get(TRIALS), given.get(SAMPLER, RANDOM)
        if sampler not in (RANDOM, TPE):
            guess = nearest_match(str(sampler), (RANDOM, TPE))
            raise ValueError(f"sampler must be {RANDOM} or {TPE}, not {sampler!r}{guess}")
        most = MAX_CANDIDATES // POOL if sampler == TPE else MAX_CANDIDATES
        if type(trials) is not int or not 2 <= trials <= most:
            raise ValueError(f"trials must be a number of candidates from 2 to {most} (sampler: {sampler})")
        if not given.keys() - {TRIALS, SAMPLER}:
            raise ValueError("names no field of a recipe, such as learning_rate: log(0.01, 0.5)")
        for name, values in _space(given).items():
            if not isinstance(values, Distribution | list) or not values:
                raise ValueError(f"{name} must be {FORMS}")
            if isinstance(values, list) and len({_as_numbers({name: value}) for value in values}) < len(values):
                raise ValueError(f"{name}: repeated value")
        return given

    @field_validator("per")
    @classmethod
    def _known_axes(cls, given: tuple[Axis, ...]) -> tuple[Axis, ...]:
        if sorted(given) not in (["dataset", "model", "template"], ["dataset", "model"]):
            raise ValueError("must be [model, template, dataset], or [model, dataset] to tune on base alone")
        return given

    def __post_init__(self) -> None:
        if bool(self.vary) == bool(self.sample):
            raise ValueError("give either vary or sample")
        if math.prod(map(len, self.vary.values())) > MAX_CANDIDATES:
            raise ValueError(f"vary makes more than {MAX_CANDIDATES} candidates")
        names = [candidate.name for candidate in self.candidates]
        if len(names) < 2:
            raise ValueError("a single candidate leaves nothing to choose")
        settings = [_as_numbers(candidate.recipe) for candidate in self.candidates]
        for name, each in zip(names, settings, strict=True):
            if settings.count(each) > 1:
                raise ValueError(f"repeated candidate {name}")

    @cached_property
    def candidates(self) -> tuple[Variant, ...]:
        """The candidates, in the order drawn. With TPE, that is the pool from which it chooses."""
        if self.vary:
            return listed_candidates(self.vary)
        return drawn_candidates(
            _space(self.sample), trials=self._trials, seed=self.seed, pool=POOL if self.uses_tpe else 1
        )

    @property
    def uses_tpe(self) -> bool:
        """Whether candidates are asked for by the scores of earlier ones."""
        return self.sample.get(SAMPLER) == TPE

    @property
    def _trials(self) -> int:
        return cast(int, self.sample[TRIALS])

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds of the candidates' trainings."""
        return tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.seeds))

    @cached_property
    def decisions(self) -> Tuning:
        """What the plan needs to decide who goes on."""
        return Tuning(
            candidates=tuple(candidate.name for candidate in self.candidates),
            seeds=self.seed_list,
            factor=self.halving.factor if self.halving else None,
            every_template="template" in self.per,
            tpe=self._tpe() if self.uses_tpe else None,
        )

    def _tpe(self) -> Tpe:
        space = _space(self.sample)
        return Tpe(
            trials=self._trials,
            seed=self.seed,
            points=places(space, self.candidates),
            choices=tuple(0 if isinstance(values, Distribution) else len(values) for values in space.values()),
        )


def _as_numbers(recipe: Mapping[str, object]) -> str:
    """The settings of a candidate as text, in which 0 and 0.0 are equal."""
    return str({name: float(value) if isinstance(value, int | float) else value for name, value in recipe.items()})


def _space(sample: Mapping[str, object]) -> Space:
    """What the value of each field is drawn from. Raises ValueError for text that is no distribution."""
    given = {name: values for name, values in sorted(sample.items()) if name not in (TRIALS, SAMPLER)}
    return {
        name: distribution(values, name) if isinstance(values, str) else cast(Sequence[object], values)
        for name, values in given.items()
    }
