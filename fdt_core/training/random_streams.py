"""Random streams keyed by (seed, epoch): each is drawn anew from its key, so resuming needs no generator state."""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Stream = Literal["initialisation", "validation_split", "order", "augmentation", "model"]
"""Weights before training; held-out images; order of the training images; augmentation; layers such as dropout."""


def stream_seed(seed: int, epoch: int, stream: Stream) -> int:
    """A 63-bit seed that depends on all three arguments and on nothing else."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, epoch: int, stream: Stream) -> torch.Generator:
    """A fresh CPU generator of that stream. Draws are made on the CPU on every device, hence are equal on all."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, stream))
