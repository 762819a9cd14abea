"""How a sweep names a model: what constructs it, and how its slots are chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Pattern = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class ModelDefinition:
    """A model of a sweep.

    Patterns fit the dotted names of modules; `*` and `?` are wildcards.

    Args:
        name: a built-in architecture, `torchvision/NAME`, `timm/NAME`, or `package.module:attribute`.
        arguments: keyword arguments for the network's constructor.
        alias: its name in the results, if it is not `name` (the key `as` of a sweep file).
        slots: the layers whose filters are slots, in place of those that are found by rule.
        follow: layers whose filters keep their base proportion to those of another layer, which is a slot.
        fixed: layers whose filters no template changes.
        least: the minimum m of the templates, in place of the smallest base width.
    """

    name: Annotated[str, Field(min_length=1)]
    arguments: Mapping[str, object] = field(default_factory=dict)
    alias: Annotated[str | None, Field(min_length=1)] = None
    slots: tuple[Pattern, ...] = ()
    follow: Mapping[Pattern, Pattern] = field(default_factory=dict)
    fixed: tuple[Pattern, ...] = ()
    least: Annotated[int, Field(ge=1)] | None = None

    def __post_init__(self) -> None:
        try:
            json.dumps(self.arguments, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"arguments must be numbers, text, lists and mappings: {error}") from error

    @property
    def label(self) -> str:
        """The name of the model in the results."""
        return self.alias or self.name


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid"))
class PinnedModel:
    """A traced network as part of a trial's identity.

    Args:
        definition: its name, arguments and overrides.
        source: the library and its version, or the digest of a user's module.
        structure: the digest of what was traced, and of its slots.
    """

    definition: ModelDefinition
    source: str
    structure: str
