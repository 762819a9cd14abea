"""Random streams keyed by (seed, epoch): each is recreated from its key, so resuming needs no generator state."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import torch

Stream = Literal[
    "initialisation",
    "validation_split",
    "order",
    "augmentation",
    "resized_crop",
    "erasing",
    "mixing",
    "model",
]
"""What is drawn: initial weights; held-out images; order of the training images; padded crops, flips and holes; random
resized crops; random erasing; mixup and CutMix; layers such as dropout and stochastic depth.

A new kind of draw gets a new stream: one more draw from an existing stream would change the results of all trials.
`model` is the exception to two rules. It seeds torch's global generators, from which layers draw; and on a GPU they
draw from that of the GPU, so their draws differ from those on the CPU.
"""


def stream_seed(seed: int, epoch: int, stream: Stream) -> int:
    """A 63-bit seed that depends on exactly these three arguments."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, epoch: int, stream: Stream) -> torch.Generator:
    """A fresh CPU generator for the stream. Draws are always made on the CPU, so they are equal for all devices."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, stream))


def numpy_generator(seed: int, epoch: int, stream: Stream) -> np.random.Generator:
    """The same for NumPy, which has distributions that torch draws only from its global generator."""
    return np.random.Generator(np.random.PCG64(stream_seed(seed, epoch, stream)))
