"""The input and output size of a network: the shape of one image and the number of classes."""

from __future__ import annotations

from dataclasses import dataclass

from fdt_core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """Square images of `size` x `size` pixels with `channels` channels, each in one of `classes` classes."""

    size: int = 32
    channels: int = 3
    classes: int = 10

    def __post_init__(self) -> None:
        for key, minimum in (("size", 1), ("channels", 1), ("classes", 2)):
            if getattr(self, key) < minimum:
                raise UsageError(f"image {key} must be at least {minimum}, not {getattr(self, key)}")
