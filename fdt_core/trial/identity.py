"""Which fields of a trial's specification decide its identity, so that new fields leave the ids of old trials alone."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

ADDED: Mapping[str, bool] = MappingProxyType({"added": True})
"""The metadata of a field that was added after version 0.1: `name: type = field(default=..., metadata=ADDED)`.

Its default must be what the code did before the field existed. Such a field is part of the identity only if its value
differs from the default, which must therefore never change. Older specifications and results are read with the default.
"""


def is_added(field: dataclasses.Field[Any]) -> bool:
    """Whether the field was added after version 0.1."""
    return bool(field.metadata.get("added"))


_PLAIN = frozenset((bool, float, int, str, type(None)))
"""Types of values without parts, as most are.

To look for them before anything is called saves half of the time of a large plan.
"""


def identifying(value: Any) -> Any:
    """Like `dataclasses.asdict`, at every depth without the added fields that have their default."""
    if type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {}
        for name, added, default in _fields(type(value)):
            item = getattr(value, name)
            if not (added and item == default):
                found[name] = item if type(item) in _PLAIN else identifying(item)
        return found
    if isinstance(value, Mapping):
        return {key: identifying(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else identifying(item) for item in value]
    return value


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, bool, Any], ...]:
    """Of each field of a dataclass: its name, whether it was added after version 0.1, and its default."""
    return tuple((field.name, is_added(field), field.default) for field in dataclasses.fields(kind))
