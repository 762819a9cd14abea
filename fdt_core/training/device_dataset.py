"""A data set for training on a device: all of it on the device as uint8, or streamed from the host."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fdt_core.datasets.prepared import PreparedDataset

_DATA_SHARE = 0.5
"""The share of the device's memory that all resident data sets of a process together may take."""


class DeviceDataset:
    """Images and labels of a prepared data set, ready for a device; the trials of a process should share one.

    On the CPU the prepared files are used in place, so all processes of a machine share one copy.

    Args:
        data: the prepared data set.
        device: 'cpu', 'cuda', 'cuda:1', 'mps', ...
        memory_limit: bytes that the data may take on the device; by default `resident_limit`. Larger data stay on the
            host, and every batch is gathered there and copied: the same batches, only slower.
    """

    def __init__(self, data: PreparedDataset, device: str, *, memory_limit: float | None = None) -> None:
        self.prepared = data
        self.device = torch.device(device)
        self.image_size = data.info.image.size
        self.train_images = data.info.train_images
        self.test_images = data.info.test_images
        self.mean, self.std = data.mean, data.std
        images = {"train": torch.from_numpy(data.train_images), "test": torch.from_numpy(data.test_images)}
        labels = {"train": torch.from_numpy(data.train_labels), "test": torch.from_numpy(data.test_labels)}
        size = sum(tensor.nbytes for tensor in (*images.values(), *labels.values()))
        self.resident = size <= (resident_limit(device) if memory_limit is None else memory_limit)
        storage_device = self.device if self.resident else torch.device("cpu")
        self._images = {split: tensor.to(storage_device) for split, tensor in images.items()}
        self._labels = {split: tensor.to(storage_device) for split, tensor in labels.items()}

    def gather(self, split: str, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 [B, H, W, C] and labels int64 [B] of `split` ('train' or 'test'), on the device.

        `indices` [B] must be on `index_device`.
        """
        images = self._images[split].index_select(0, indices)
        labels = self._labels[split].index_select(0, indices)
        return (images, labels) if self.resident else (self._send(images), self._send(labels))

    @property
    def index_device(self) -> torch.device:
        """Where the indices for `gather` must be: on the device if the data are resident, else on the host."""
        return self.device if self.resident else torch.device("cpu")

    def _send(self, tensor: Tensor) -> Tensor:
        """Copy to the device without waiting; pinned memory returns to its pool when the copy is complete."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def resident_limit(device: str, allowed: int | None = None) -> float:
    """Bytes that another data set may take on `device`: half of what this process may use, less what it already uses.

    Between two trials of a process, that is the data sets of earlier trials.

    Args:
        device: 'cpu', 'cuda', 'cuda:1', 'mps', ...
        allowed: bytes that all tensors of this process together may take, if it shares the device; by default the
            free memory counts.
    """
    torch_device = torch.device(device)
    if torch_device.type == "cuda":
        usable = torch.cuda.mem_get_info(torch_device)[0] + torch.cuda.memory_reserved(torch_device)
        return min(usable, allowed or math.inf) * _DATA_SHARE - torch.cuda.memory_allocated(torch_device)
    if torch_device.type == "mps":
        return torch.mps.recommended_max_memory() * _DATA_SHARE - torch.mps.current_allocated_memory()
    return math.inf
