"""What a reader of some published format hands to the writer of prepared data: labels at once, images one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdt_core.image import ImageShape

Images = npt.NDArray[np.uint8]
"""[N, H, W, C], or [H, W, C] for one image."""
Labels = npt.NDArray[np.int64]
"""[N]"""


@dataclass(frozen=True, kw_only=True)
class SplitSource:
    """One split: `labels` [N] and `images`, chunks of [n, H, W, C] in the labels' order, read when they are asked for."""

    labels: Labels
    images: Iterable[Images]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as a reader found it."""

    image: ImageShape
    class_names: tuple[str, ...]
    train: SplitSource
    test: SplitSource
