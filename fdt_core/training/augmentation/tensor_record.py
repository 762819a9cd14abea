"""Dataclasses of tensors that belong together, entry by entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """Base of dataclasses whose fields are tensors [N, ...] with the same N, other such records, or None."""

    def to(self, device: torch.device) -> Self:
        """The same values on `device`."""
        return self._each(lambda tensor: tensor.to(device))

    def batch(self, start: int, size: int) -> Self:
        """The entries at positions `start` to `start + size`."""
        return self._each(lambda tensor: tensor[start : start + size])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(**{name: _changed(value, change) for name, value in values.items()})


def _changed(value: Tensor | TensorRecord | None, change: Callable[[Tensor], Tensor]) -> Tensor | TensorRecord | None:
    if isinstance(value, TensorRecord):
        return value._each(change)
    return None if value is None else change(value)
