"""The batches of an epoch, ready to train on: made in turn, or on a second stream while the one before them trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from fdt_core.training.augmentation.draws import draw_augmentation, draw_order
from fdt_core.training.augmentation.mixing import draw_mixing
from fdt_core.training.augmentation.pipeline import Augmentation
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.trial.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a step trains on: B images and their labels, on the device.

    Args:
        pixels: float32 [B, C, H, W], in the memory layout of the recipe.
        labels: int64 [B].
        partners: int64 [B], the labels of the images that are mixed into these; None if the recipe mixes nothing.
        weight: float32 [1], the weight of an image's own label, that of its partner's is the rest; None likewise.
    """

    pixels: Tensor
    labels: Tensor
    partners: Tensor | None = None
    weight: Tensor | None = None

    def loss(self, logits: Tensor, label_smoothing: float) -> Tensor:
        """The mean cross-entropy of `logits` [B, classes], for mixed images with both labels, weighted; shape ()."""
        own = F.cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        if self.partners is None or self.weight is None:
            return own
        others = F.cross_entropy(logits, self.partners, label_smoothing=label_smoothing)
        return (self.weight * own + (1 - self.weight) * others).squeeze(0)

    def heavier(self) -> Tensor:
        """The label with the larger weight of each image, int64 [B]: what the accuracy is counted against."""
        if self.partners is None or self.weight is None:
            return self.labels
        return torch.where(self.weight >= 0.5, self.labels, self.partners)

    def buffers(self) -> Batch:
        """Buffers for a batch like this one."""
        return Batch(
            pixels=torch.empty_like(self.pixels),
            labels=torch.empty_like(self.labels),
            partners=None if self.partners is None else torch.empty_like(self.partners),
            weight=None if self.weight is None else torch.empty_like(self.weight),
        )

    def filled_with(self, batch: Batch) -> Batch:
        """These buffers with the values of `batch`, or the first part of them if it is smaller."""
        count = len(batch.labels)
        part = Batch(
            pixels=self.pixels[:count],
            labels=self.labels[:count],
            partners=None if self.partners is None else self.partners[:count],
            weight=self.weight,
        )
        torch._foreach_copy_(part._tensors(), batch._tensors())
        return part

    def _tensors(self) -> list[Tensor]:
        return [each for each in (self.pixels, self.labels, self.partners, self.weight) if each is not None]


class EpochBatches:
    """The training batches of one epoch, whose random draws are made at construction.

    Args:
        recipe: the recipe.
        data: the data set.
        augment: the augmentation, for the images of `data`.
        images: int64 [N], the indices of the training images.
        seed: the trial's seed.
        epoch: the first is 1.
    """

    def __init__(
        self, recipe: Recipe, data: DeviceDataset, augment: Augmentation, images: Tensor, *, seed: int, epoch: int
    ) -> None:
        count, size, keys = len(images), data.image_size, {"seed": seed, "epoch": epoch}
        self._recipe, self._data, self._augment = recipe, data, augment
        self._indices = images[draw_order(images=count, **keys)].to(data.index_device)
        self._draws = draw_augmentation(recipe, images=count, image_size=size, **keys).to(data.device)
        mixing = draw_mixing(recipe, images=count, image_size=size, **keys)
        self._mixing = mixing and mixing.to(data.device)

    def make(self, number: int) -> Batch:
        """Batch `number`, the first is 0; the last may be smaller than the others."""
        size = self._recipe.batch_size
        start = number * size
        images, labels = self._data.gather("train", self._indices[start : start + size])
        pixels = self._augment(images, self._draws.batch(start, size))
        if self._mixing is None:
            return Batch(pixels=laid_out(pixels, self._recipe), labels=labels)
        mixing = self._mixing.batch(number, start, size)
        return Batch(
            pixels=laid_out(mixing.pixels(pixels), self._recipe),
            labels=labels,
            partners=labels.index_select(0, mixing.partner),
            weight=mixing.weight,
        )


def laid_out(pixels: Tensor, recipe: Recipe) -> Tensor:
    """`pixels`, which are channels last in memory, in the memory layout of the recipe."""
    return pixels if recipe.channels_last else pixels.contiguous()


class Preparation(Protocol):
    """Where batches are made."""

    def start(self, draw: Callable[[], T]) -> T:
        """What `draw` returns: the batches of an epoch, which are then made one after the other."""

    def make(self, batches: EpochBatches, number: int) -> Batch:
        """A batch for the next step; it may be overwritten in the step after that."""


def preparation(device: torch.device, *, ahead: bool) -> Preparation:
    """Where batches are made: `ahead` on a second stream of a CUDA device, else in turn."""
    return SecondStream(device) if ahead and device.type == "cuda" else _InTurn()


class _InTurn:
    """Makes each batch when it is its turn."""

    def start(self, draw: Callable[[], T]) -> T:
        return draw()

    def make(self, batches: EpochBatches, number: int) -> Batch:
        return batches.make(number)


@dataclass(frozen=True)
class _Buffers:
    batch: Batch
    written: torch.cuda.Event
    read: torch.cuda.Event


class SecondStream:
    """Makes batches on a second stream of a GPU, in two sets of buffers: one is read while the other is written.

    The host waits for nothing. Events order the two streams: a step reads a buffer when it is written, and it is
    written again when that step is over. So both streams own the memory that they allocate, and it stays the same
    however far the host is ahead of the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch does not annotate it
        self._current: _Buffers | None = None
        self._other: _Buffers | None = None

    def start(self, draw: Callable[[], T]) -> T:
        """What `draw` returns; its tensors belong to the second stream."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            return draw()

    def make(self, batches: EpochBatches, number: int) -> Batch:
        """A batch for the next step of the current stream."""
        training = torch.cuda.current_stream(self._device)
        if self._current is not None:
            self._current.read.record(training)  # the step that reads it has been launched
        buffers, self._other = self._other, self._current
        with torch.cuda.stream(self._stream):
            made = batches.make(number)
            if buffers is None:
                written, read = (torch.cuda.Event() for _ in range(2))  # type: ignore[no-untyped-call]  # torch does not annotate it
                buffers = _Buffers(made.buffers(), written, read)
            self._stream.wait_event(buffers.read)
            batch = buffers.batch.filled_with(made)
            buffers.written.record(self._stream)
        training.wait_event(buffers.written)
        self._current = buffers
        return batch
