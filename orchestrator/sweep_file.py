"""The sweep file: one YAML file that states a whole study.

Strict: unknown keys, repeated values and names that do not exist are refused with file, line and the legal values.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fdt_core.errors import UsageError, nearest_match
from fdt_core.recipe import Recipe
from fdt_core.solver import Budget
from fdt_core.yaml_file import YamlFile, load_yaml, parse_scalar

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

MAX_SEEDS = 10_000
AXES = ("model", "template", "dataset", "seed")
"""The axes of the grid, by the names that `where` and `exclude` use."""

Name = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
AxisValue = str | int
Selector = Mapping[str, AxisValue | tuple[AxisValue, ...]]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Resources:
    """What one trial gets: GPUs (or a share of one, as `trials_per_gpu`) and CPU threads."""

    gpus: Annotated[int, Field(ge=1)] = 1
    trials_per_gpu: Annotated[int, Field(ge=1)] | None = None
    """None = as the cluster profile says."""
    time_limit: Annotated[float, Field(gt=0)] | None = None
    """Seconds that one attempt at a trial may take; a watchdog then ends its process."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """CPU cores and threads of one trial; part of its identity, for the last bits of CPU arithmetic depend on them."""

    def __post_init__(self) -> None:
        if self.gpus > 1 and (self.trials_per_gpu or 1) > 1:
            raise ValueError("give either gpus or trials_per_gpu, not both")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Override:
    """Settings for the cells that `where` selects; later overrides win. Recipe fields may stand beside `where`."""

    where: Selector
    recipe: str | Mapping[str, Any] | None = None
    width: Annotated[float, Field(gt=0)] | None = None
    budget: Budget | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Sweep:
    """A study as its file states it, checked for form; `orchestrator.plan` resolves what the names mean."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    datasets: Annotated[tuple[Name, ...], Field(min_length=1)]
    templates: Annotated[tuple[Name | Mapping[str, Any], ...], Field(min_length=1)]
    seeds: (
        Annotated[int, Field(ge=1, le=MAX_SEEDS)]
        | Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    ) = 3
    """A count N for the seeds 0 to N-1, or a list."""
    schema_version: Literal[1] = 1
    width: Annotated[float, Field(gt=0)] = 1.0
    budget: Budget = Budget()
    recipe: str | Mapping[str, Any] = "paper"
    overrides: tuple[Override, ...] = ()
    exclude: tuple[Selector, ...] = ()
    resources: Resources = Resources()
    checkpoint_interval: Annotated[float, Field(ge=0)] = 120.0
    """Seconds between checkpoints at the least; 0 = after every epoch."""
    keep: Literal["none", "final", "best", "all"] = "final"

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds themselves."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


def load_sweep(path: Path, settings: Sequence[str] = ()) -> tuple[YamlFile, Sweep]:
    """Read the sweep file `path`, with `--set key=value` `settings` laid over it.

    Raises UsageError naming file, line, key, legal values and the nearest match.
    """
    file = load_yaml(path)
    data = copy.deepcopy(file.data)
    data = _move_recipe_fields(data)
    for setting in settings:
        _apply_setting(data, setting)
    file = dataclasses.replace(file, data=data)
    sweep = file.parse(Sweep)
    if sweep.resources.gpus > 1:
        file.fail(("resources", "gpus"), "must be 1: a trial trains on one GPU, and the others would idle")
    _check_axes(file, sweep)
    return file, sweep


def template_name(value: str | Mapping[str, Any]) -> str:
    """The name of a template that is given by name or inline (a mapping with the key `name`)."""
    return value if isinstance(value, str) else str(value.get("name", ""))


def selects(selector: Selector, cell: Mapping[str, AxisValue]) -> bool:
    """Whether every axis of `selector` fits the cell's value; names may use `*` and `?`."""
    return all(any(_fits(pattern, cell[axis]) for pattern in _as_tuple(want)) for axis, want in selector.items())


def _fits(pattern: AxisValue, value: AxisValue) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(value, pattern) if isinstance(pattern, str) and isinstance(value, str) else pattern == value


def _as_tuple(want: AxisValue | tuple[AxisValue, ...]) -> tuple[AxisValue, ...]:
    return want if isinstance(want, tuple) else (want,)


def recipe_field_names() -> tuple[str, ...]:
    """The fields of a recipe: in `--set` and beside `where` they may be given without `recipe.` before them."""
    return tuple(field.name for field in dataclasses.fields(Recipe))


def _apply_setting(data: dict[str, Any], setting: str) -> None:
    """Lay `key.sub=value` over `data` and its overrides: what is set on the command line holds for every cell.

    A recipe given by name becomes the base of a recipe with fields.
    """
    dotted, equals, text = setting.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise UsageError(f"--set {setting}: must have the form key=value")
    if keys[0] in recipe_field_names():
        keys = ["recipe", *keys]
    value = parse_scalar(text)
    _set(data, keys, value, setting)
    for override in data["overrides"] if isinstance(data.get("overrides"), list) else []:
        if isinstance(override, dict) and keys[0] in ("recipe", "width", "budget") and keys[0] in override:
            _set(override, keys, value, setting)


def _set(data: dict[str, Any], keys: Sequence[str], value: Any, setting: str) -> None:
    """Set the value at a path of keys, making the mappings on the way."""
    for key in keys[:-1]:
        inner = data.get(key, {})
        if key == "recipe" and isinstance(inner, str):
            inner = {"base": inner}
        if not isinstance(inner, dict):
            raise UsageError(f"--set {setting}: {key} has no keys of its own")
        data[key] = dict(inner)
        data = data[key]
    data[keys[-1]] = value


def _move_recipe_fields(data: dict[str, Any]) -> dict[str, Any]:
    """Move recipe fields that stand beside an override's `where` under its `recipe`."""
    overrides = data.get("overrides")
    if not isinstance(overrides, list):
        return data
    fields = set(recipe_field_names())
    moved = []
    for override in overrides:
        if isinstance(override, dict) and (flat := {key: override[key] for key in override.keys() & fields}):
            recipe = override.get("recipe", {})
            recipe = {"base": recipe} if isinstance(recipe, str) else recipe
            override = {key: value for key, value in override.items() if key not in flat} | {"recipe": recipe | flat}
        moved.append(override)
    return data | {"overrides": moved}


def _check_axes(file: YamlFile, sweep: Sweep) -> None:
    """Refuse repeated axis values, and selectors that name an axis or a value the sweep does not have."""
    values: dict[str, tuple[AxisValue, ...]] = {
        "model": sweep.models,
        "template": tuple(template_name(item) for item in sweep.templates),
        "dataset": sweep.datasets,
        "seed": sweep.seed_list,
    }
    for axis, names in values.items():
        for index, name in enumerate(names):
            if name in names[:index]:
                file.fail((f"{axis}s", index), f"repeated value {name!r}")
    for index, override in enumerate(sweep.overrides):
        _check_selector(file, ("overrides", index, "where"), override.where, values)
    for index, selector in enumerate(sweep.exclude):
        _check_selector(file, ("exclude", index), selector, values)


def _check_selector(
    file: YamlFile, where: tuple[str | int, ...], selector: Selector, values: Mapping[str, tuple[AxisValue, ...]]
) -> None:
    if not selector:
        file.fail(where, f"must name at least one axis ({', '.join(AXES)})")
    for axis, want in selector.items():
        if axis not in values:
            file.fail((*where, axis), f"unknown axis{nearest_match(axis, AXES)} (known: {', '.join(AXES)})")
        for pattern in _as_tuple(want):
            if not any(_fits(pattern, value) for value in values[axis]):
                known = [str(value) for value in values[axis]]
                file.fail(
                    (*where, axis),
                    f"{pattern!r} is no {axis} of this sweep{nearest_match(str(pattern), known)} "
                    f"(this sweep has: {', '.join(known[:20])})",
                )
