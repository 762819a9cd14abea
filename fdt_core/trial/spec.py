"""The identity of a trial: exactly what determines its numbers, hashed to its `trial_id`."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from fdt_core.image import ImageShape
from fdt_core.model_definition import PinnedModel
from fdt_core.trial.identity import ADDED, identifying
from fdt_core.trial.recipe import Recipe
from fdt_core.version import CODE_EPOCH


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class TrialSpec:
    """One training: a model of given widths, on one data set, with one seed and one recipe.

    Args:
        model: name of the model in the results: of an architecture, its reference or a traced network.
        model_digest: digest of the source of a user's architecture; empty for built-in ones.
        width: multiplier of the filters outside the slots (the stem); `widths` already includes it.
        widths: filters per slot.
        dataset: name of the data set.
        image: shape of its images and number of its classes.
        seed: seed of all random streams.
        recipe: the complete recipe.
        threads: CPU threads of the training process; they affect the last bits of results on the CPU.
        code_epoch: see `fdt_core.version.CODE_EPOCH`.
        traced: what identifies a traced network; None for an architecture.
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
    traced: PinnedModel | None = dataclasses.field(default=None, metadata=ADDED)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no white space, floats in Python's shortest notation.

        It has no fields that were added after version 0.1 and have their default: see `fdt_core.trial.identity`.
        """
        return json.dumps(identifying(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def trial_id(self) -> str:
        """The first twelve hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def from_json(cls, text: str) -> TrialSpec:
        """The inverse of `to_json`. Raises pydantic's ValidationError (a ValueError) for invalid text."""
        return TypeAdapter(cls).validate_json(text)
