"""The sweep file: one YAML file that states a whole study.

Strict: unknown keys, repeated values and names that do not exist are refused with file, line and the legal values.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fdt_core.errors import UsageError, nearest_match
from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.set_options import Setting, apply_setting, parse_setting
from fdt_core.files.yaml_file import YamlFile, load_yaml
from fdt_core.matching.match import Budget
from fdt_core.model_definition import ModelDefinition
from fdt_core.results.cell_filter import AXES, AxisValue, fits
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.adaptive_seeds import AdaptiveSeeds
from orchestrator.plan.model_entries import with_model_mappings
from orchestrator.plan.tune import Tune
from orchestrator.plan.variants import NONE, Variant, all_variants

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

MAX_SEEDS = 10_000
MAX_VARIANTS = 10_000

Name = Annotated[str, Field(min_length=1)]
VariantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+=-]{0,63}$")]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Selector = Mapping[str, AxisValue | tuple[AxisValue, ...]]

REPORT_INTERVAL, CHECKPOINT_BANDWIDTH = 10.0, 1000.0
"""Seconds; MB (1e6 bytes) per second. A plan names only others, so that versions that know neither read the rest."""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Resources:
    """What one trial gets: GPUs (or, by `trials_per_gpu`, a share of one) and CPU threads."""

    gpus: Annotated[int, Field(ge=1)] = 1
    trials_per_gpu: Annotated[int, Field(ge=1)] | None = None
    """None = as the cluster profile says."""
    time_limit: Annotated[float, Field(gt=0)] | None = None
    """Seconds that one attempt at a trial may take, before a watchdog ends its process."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """CPU cores and threads of one trial; part of its identity, because they affect the last bits on a CPU."""

    def __post_init__(self) -> None:
        if self.gpus > 1 and (self.trials_per_gpu or 1) > 1:
            raise ValueError("give either gpus or trials_per_gpu, not both")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Override:
    """Settings for the cells that `where` selects; later overrides win. Recipe fields may be given beside `where`."""

    where: Selector
    recipe: str | Mapping[str, object] | None = None
    width: Annotated[float, Field(gt=0)] | None = None
    budget: Budget | None = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Sweep:
    """A study as its file states it, checked for form; `orchestrator.plan.resolve` resolves what the names mean."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    models: Annotated[tuple[ModelDefinition, ...], Field(min_length=1)]
    """By name, or as mappings; `load_sweep` makes mappings of all."""
    datasets: Annotated[tuple[Name, ...], Field(min_length=1)]
    templates: Annotated[tuple[Name | Mapping[str, object], ...], Field(min_length=1)]
    seeds: (
        Annotated[int, Field(ge=1, le=MAX_SEEDS)]
        | Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MAX_SEEDS)]
        | AdaptiveSeeds
    ) = 3
    """A count N for the seeds 0 to N-1, a list, or adaptive seeds: as many as the comparisons need."""
    variants: Mapping[VariantName, str | Mapping[str, object]] = field(default_factory=dict)
    """Changes of the recipe by name, each trained and compared by itself; instead of fields, a recipe's name."""
    vary: Mapping[str, Annotated[tuple[object, ...], Field(min_length=1)]] = field(default_factory=dict)
    """Fields of the recipe with several values: every combination is a variant."""
    tune: Tune | None = None
    """Settings to choose, by held-out images, for each model, template and data set before they are compared."""
    schema_version: Literal[1] = 1
    width: Annotated[float, Field(gt=0)] = 1.0
    budget: Budget = Budget()
    recipe: str | Mapping[str, object] = "paper"
    overrides: tuple[Override, ...] = ()
    exclude: tuple[Selector, ...] = ()
    resources: Resources = Resources()
    checkpoint_interval: Annotated[float, Field(ge=0)] = 120.0
    """Minimum seconds between checkpoints; 0 = after every epoch."""
    checkpoint_bandwidth: Annotated[float, Field(gt=0)] = CHECKPOINT_BANDWIDTH
    """MB per second of working checkpoints that all trials together may write; the interval grows with their number."""
    report_interval: Annotated[float, Field(ge=0)] = REPORT_INTERVAL
    """Seconds between two reports of a trial to the driver, once it has run for a while; 0 = after every epoch."""
    keep: Literal["none", "final", "best", "all"] = "final"

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds as a list, even if a count was given; of adaptive seeds, all that may be."""
        if isinstance(self.seeds, AdaptiveSeeds):
            return tuple(range(self.seeds.to))
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def variant_list(self) -> tuple[Variant, ...]:
        """The variants; a sweep that names none has one, without a name."""
        return all_variants(self.variants, self.vary)

    @property
    def candidate_list(self) -> tuple[Variant, ...]:
        """What is tuned over; a sweep that tunes nothing has one candidate, without a name."""
        return self.tune.candidates if self.tune else (NONE,)


def load_sweep(path: Path, settings: Sequence[str] = ()) -> tuple[YamlFile, Sweep]:
    """Read the sweep file `path` and apply the `--set key=value` `settings` to it.

    A setting holds for every cell: it also replaces values in the file's overrides. The last setting of a key wins.

    Raises UsageError naming the file and line or the setting, the key, the legal values and the nearest match.
    """
    file = _with_recipes(load_yaml(path))
    for setting in settings:
        file = _with_recipes(_with_setting(file, parse_setting(setting)))
    file = with_model_mappings(file)
    sweep = file.parse(Sweep)
    if sweep.resources.gpus > 1:
        file.fail(("resources", "gpus"), "must be 1: a trial trains on one GPU, and the others would idle")
    _check_axes(file, sweep)
    return file, sweep


def template_name(value: str | Mapping[str, object]) -> str:
    """The name of a template that is given by name or inline (a mapping with the key `name`)."""
    return value if isinstance(value, str) else str(value.get("name", ""))


def selects(selector: Selector, cell: Mapping[str, AxisValue]) -> bool:
    """Whether every axis of `selector` fits the cell's value; names may use `*` and `?`."""
    return all(any(fits(pattern, cell[axis]) for pattern in _as_tuple(want)) for axis, want in selector.items())


def _as_tuple(want: AxisValue | tuple[AxisValue, ...]) -> tuple[AxisValue, ...]:
    return want if isinstance(want, tuple) else (want,)


def recipe_field_names() -> tuple[str, ...]:
    """The fields of a recipe: in `--set` and beside `where` they may be given without `recipe.` before them."""
    return tuple(field.name for field in dataclasses.fields(Recipe))


def _with_setting(file: YamlFile, setting: Setting) -> YamlFile:
    """The file with a setting applied to it, and to the overrides that set something of the same kind."""
    first, fields = setting.keys[0], recipe_field_names()
    known = (*(field.name for field in dataclasses.fields(Sweep)), *fields)
    if first not in known:
        raise UsageError(f"{setting.text}: unknown key{nearest_match(first, known)} (known: {', '.join(known)})")
    keys = ("recipe", *setting.keys) if first in fields else setting.keys
    if keys[0] == "recipe" and (varied := _varied_at(file, keys[1:])):
        what = "tuning sets" if varied[0] == "tune" else "variants set"
        raise UsageError(f"{setting.text}: {what} it; give --set {'.'.join(map(str, varied))}=... instead")
    places: list[KeyPath] = [keys]
    if keys[0] in ("recipe", "width", "budget"):
        places += [(*place, *keys) for place, override in _overrides(file) if keys[0] in override]
    for place in places:
        file = apply_setting(file, setting, place)
    return file


def _varied_at(file: YamlFile, keys: Sequence[str]) -> KeyPath | None:
    """Where variants set a field of the recipe; None if none does."""
    named, vary = file.data.get("variants"), file.data.get("vary")
    for name, recipe in named.items() if isinstance(named, dict) else ():
        if keys and isinstance(recipe, dict) and keys[0] in recipe:
            return ("variants", name, keys[0])
    places: list[KeyPath] = [("vary",), ("tune", "vary"), ("tune", "sample")]
    tune = file.data.get("tune")
    varied = [vary, *(tune.get(key) for key in ("vary", "sample"))] if isinstance(tune, dict) else [vary]
    for place, fields in zip(places, varied, strict=False):
        if keys and isinstance(fields, dict) and keys[0] in fields:
            return (*place, keys[0])
    return None


def _with_recipes(file: YamlFile) -> YamlFile:
    """The file with every recipe as a mapping: a name becomes its `base`, fields beside `where` become its fields."""
    data = dict(file.data)
    if "recipe" in data:
        data["recipe"] = _as_mapping(data["recipe"])
    if isinstance(data.get("overrides"), list):
        data["overrides"] = list(data["overrides"])
    for place, override in _overrides(file):
        data["overrides"][place[1]] = _override_with_recipe(file, place, override)
    return dataclasses.replace(file, data=data, lines={_in_recipe(place): line for place, line in file.lines.items()})


def _override_with_recipe(file: YamlFile, place: KeyPath, override: dict[str, object]) -> dict[str, object]:
    """An override whose recipe fields have moved from beside `where` under `recipe`."""
    keys, fields = [field.name for field in dataclasses.fields(Override)], recipe_field_names()
    if unknown := [key for key in override if key not in (*keys, *fields)]:
        known = (*keys, *fields)
        file.fail((*place, unknown[0]), f"unknown key{nearest_match(unknown[0], known)} (known: {', '.join(known)})")
    beside = {key: value for key, value in override.items() if key in fields}
    kept = {key: value for key, value in override.items() if key in keys}
    if beside or "recipe" in kept:
        recipe = _as_mapping(kept.get("recipe", {}))
        if isinstance(recipe, dict):
            for key in beside.keys() & recipe.keys():
                file.fail((*place, key), "is given in its recipe too")
            recipe = recipe | beside
        kept["recipe"] = recipe
    return kept


def _as_mapping(recipe: object) -> object:
    """A recipe's name as a mapping; anything else as it is."""
    return {"base": recipe} if isinstance(recipe, str) else recipe


def _in_recipe(place: KeyPath) -> KeyPath:
    """The place of a line once recipe fields beside `where` have moved under `recipe`."""
    beside_where = place[0] == "overrides" and len(place) > 2 and place[2] in recipe_field_names()
    return (*place[:2], "recipe", *place[2:]) if beside_where else place


def _overrides(file: YamlFile) -> list[tuple[KeyPath, dict[str, object]]]:
    """The overrides that are mappings, each with its place."""
    given = file.data.get("overrides")
    items = given if isinstance(given, list) else []
    return [(("overrides", index), item) for index, item in enumerate(items) if isinstance(item, dict)]


def check_selectors(file: YamlFile, sweep: Sweep) -> None:
    """Refuse overrides and exclusions that name an axis or a value the sweep does not have. Raises UsageError."""
    values = _axis_values(sweep)
    for index, override in enumerate(sweep.overrides):
        _check_selector(file, ("overrides", index, "where"), override.where, values)
    for index, selector in enumerate(sweep.exclude):
        _check_selector(file, ("exclude", index), selector, values)


def _axis_values(sweep: Sweep) -> dict[str, tuple[AxisValue, ...]]:
    return {
        "model": tuple(model.label for model in sweep.models),
        "variant": tuple(variant.name for variant in sweep.variant_list),
        "template": tuple(template_name(item) for item in sweep.templates),
        "dataset": sweep.datasets,
        "seed": sweep.seed_list,
    }


def _check_axes(file: YamlFile, sweep: Sweep) -> None:
    """Refuse repeated axis values."""
    if sweep.variants and sweep.vary:
        file.fail(("vary",), "give either variants or vary, not both")
    if (size := math.prod(map(len, sweep.vary.values()))) > MAX_VARIANTS:
        file.fail(("vary",), f"makes {size:,} variants; {MAX_VARIANTS:,} are the most")
    for axis, names in _axis_values(sweep).items():
        seen: set[AxisValue] = set()
        for index, name in enumerate(names):
            if name in seen:
                where: KeyPath = ("vary",) if axis == "variant" else (f"{axis}s", index)
                file.fail(where, f"repeated value {name!r}")
            seen.add(name)


def _check_selector(
    file: YamlFile, where: KeyPath, selector: Selector, values: Mapping[str, tuple[AxisValue, ...]]
) -> None:
    if not selector:
        file.fail(where, f"must name at least one axis ({', '.join(AXES)})")
    for axis, want in selector.items():
        if axis not in values:
            file.fail((*where, axis), f"unknown axis{nearest_match(axis, AXES)} (known: {', '.join(AXES)})")
        if axis == "variant" and not any(values[axis]):
            file.fail((*where, axis), "this sweep has no variants")
        for pattern in _as_tuple(want):
            if not any(fits(pattern, value) for value in values[axis]):
                known = [str(value) for value in values[axis]]
                file.fail(
                    (*where, axis),
                    f"{pattern!r} is not a {axis} of this sweep{nearest_match(str(pattern), known)} "
                    f"(this sweep has: {', '.join(known[:20])})",
                    joint=[(f"{axis}s",)],
                )
