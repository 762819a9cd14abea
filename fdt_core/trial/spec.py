"""The identity of a trial: all that decides its numbers, and nothing else, hashed to its `trial_id`."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from fdt_core.image import ImageShape
from fdt_core.trial.recipe import Recipe
from fdt_core.version import CODE_EPOCH


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class TrialSpec:
    """One training: a model of given widths, on one data set, with one seed, by one recipe.

    Args:
        model: name of the architecture, or `package.module:attribute` for a user's own.
        model_digest: digest of the source of a user's own architecture; empty for the built-in ones.
        width: multiplier of the fixed parts (the stem); the slots' widths are already resolved in `widths`.
        widths: filters per slot.
        dataset: name of the data set.
        image: shape of its images and number of its classes.
        seed: seed of every random stream.
        recipe: the whole recipe.
        threads: CPU threads of the training process; the last bits of the CPU's arithmetic depend on them.
        code_epoch: see `fdt_core.version.CODE_EPOCH`.
    """

    model: str
    model_digest: str = ""
    width: float
    widths: tuple[int, ...]
    dataset: str
    image: ImageShape
    seed: int
    recipe: Recipe
    threads: int
    code_epoch: int = CODE_EPOCH

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no white space, floats in Python's shortest form."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def trial_id(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def from_json(cls, text: str) -> TrialSpec:
        """The inverse of `to_json`. Raises pydantic's ValidationError (a ValueError) for anything else."""
        return TypeAdapter(cls).validate_json(text)
