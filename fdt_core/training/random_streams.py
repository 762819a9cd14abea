"""Random streams keyed by (seed, epoch): each is recreated from its key, so resuming needs no generator state."""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Stream = Literal["initialisation", "validation_split", "order", "augmentation", "model"]
"""For: initial weights; held-out images; order of the training images; augmentation; layers such as dropout."""


def stream_seed(seed: int, epoch: int, stream: Stream) -> int:
    """A 63-bit seed that depends on exactly these three arguments."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, epoch: int, stream: Stream) -> torch.Generator:
    """A fresh CPU generator for the stream. Draws are always made on the CPU, so they are equal for all devices."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, stream))
