"""The usual data path, for comparison: PIL images, torchvision transforms, a DataLoader."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms
from torchvision.transforms import v2

from fdt_core.datasets.prepared import PreparedDataset

BATCH_SIZE = 128
PADDING = 4
CUTOUT = 16


class PilImages(Dataset[tuple[Any, int]]):
    """The images of a data set as PIL images passed through `transform`, like those of torchvision's CIFAR10."""

    def __init__(self, data: PreparedDataset, transform: Callable[[Any], Any] | None = None) -> None:
        self._images, self._labels = data.train_images, data.train_labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image: Any = Image.fromarray(self._images[index])
        if self.transform is not None:
            image = self.transform(image)
        return image, self._labels[index]


class Cutout:
    """One hole per image, by a mask in NumPy as in the code published with the method."""

    def __call__(self, image: Tensor) -> Tensor:
        """The image [C, H, W] with a hole of zeros."""
        height, width = image.shape[1:]
        y, x = np.random.randint(height), np.random.randint(width)
        mask = np.ones((height, width), np.float32)
        half = CUTOUT // 2
        mask[max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
        return image * torch.from_numpy(mask)


def transforms_v1(data: PreparedDataset) -> Callable[[Any], Any]:
    """Crop, flip, normalise and cut out with version 1 of torchvision's transforms."""
    steps = [
        transforms.RandomCrop(data.info.image.size, padding=PADDING),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(data.mean, data.std),
        Cutout(),
    ]
    composed: Callable[[Any], Any] = transforms.Compose(steps)
    return composed


def transforms_v2(data: PreparedDataset) -> Callable[[Any], Any]:
    """The same with version 2 of torchvision's transforms."""
    steps = [
        v2.RandomCrop(data.info.image.size, padding=PADDING),
        v2.RandomHorizontalFlip(),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(list(data.mean), list(data.std)),
        Cutout(),
    ]
    composed: Callable[[Any], Any] = v2.Compose(steps)
    return composed


def usual_loader(
    data: PreparedDataset, transform: Callable[[Any], Any], *, images: int | None = None
) -> DataLoader[tuple[Any, int]]:
    """Shuffled batches of all images, or of `images` of them in each pass; the last may be smaller, as in the trainer.

    There are no workers: per core this is the fastest way, as images are not passed between processes.
    """
    pictures = PilImages(data, transform)
    return DataLoader(
        pictures,
        batch_size=BATCH_SIZE,
        sampler=RandomSampler(pictures, num_samples=images),
    )


def pin_to_one_core() -> None:
    """Keep this process, its threads and its future children on one core, if the system supports it."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
