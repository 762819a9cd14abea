"""Training loops on a GPU as others write them, for comparison. Both train our networks from the same weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.alternatives.usual_pipeline import PADDING, PilImages, transforms_v2
from fdt_core.compute.numerics import apply_numerics
from fdt_core.datasets.prepared import PreparedDataset
from fdt_core.training.initialisation import initial_network
from fdt_core.trial.spec import TrialSpec


def plain_loop(spec: TrialSpec, data: PreparedDataset, device: str) -> Callable[[], object]:
    """The loop of many repositories: torchvision, a DataLoader with workers, running loss and accuracy at each step."""
    network = initial_network(spec).to(device)
    recipe = spec.recipe
    optimiser = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    criterion = nn.CrossEntropyLoss()
    workers = max(1, min(8, (os.cpu_count() or 1) - 1))
    loader = DataLoader(
        PilImages(data, transforms_v2(data)),
        batch_size=recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        pin_memory=device != "cpu",
        persistent_workers=True,
    )

    def epoch() -> tuple[float, int]:
        apply_numerics("fp32", threads=spec.threads, deterministic=False)
        network.train()
        running_loss, correct = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            optimiser.zero_grad()
            outputs = network(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimiser.step()
            running_loss += loss.item()
            correct += int(outputs.argmax(1).eq(labels).sum().item())
        return running_loss, correct

    return epoch


def airbench_way(spec: TrialSpec, data: PreparedDataset, device: str, *, compiled: bool) -> Callable[[], object]:
    """A loop in the way of Keller Jordan's airbench (2024), which is written for speed on one GPU.

    All images are on the device, normalised, in half precision and channels last. Each epoch is augmented at once, by
    flips and crops. Weights are in half precision, but for BatchNorm's, and the host never waits for a loss. Half
    precision is bfloat16 here, which needs no scaling of the loss.
    """
    half = torch.bfloat16
    network = initial_network(spec).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in network.modules():
        if not isinstance(module, nn.BatchNorm2d):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(half)
    forward = torch.compile(network) if compiled else network
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.85, nesterov=True, weight_decay=1e-4)
    images, labels = _resident(data, device, half)
    size = spec.recipe.batch_size

    def epoch() -> float:
        apply_numerics("fp32", threads=spec.threads, deterministic=False)
        network.train()
        loss = torch.zeros((), device=device)
        for pixels, targets in _batches(images, labels, data.info.image.size, size):
            loss = F.cross_entropy(forward(pixels).float(), targets, label_smoothing=0.2)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
        return float(loss.detach())

    return epoch


def _resident(data: PreparedDataset, device: str, half: torch.dtype) -> tuple[Tensor, Tensor]:
    """All images, normalised and padded [N, C, H + 8, W + 8], and their labels."""
    pixels = torch.from_numpy(data.train_images).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (data.mean, data.std))
    padded = F.pad((pixels - mean) / std, (PADDING,) * 4, mode="reflect")
    return padded.to(half, memory_format=torch.channels_last), torch.from_numpy(data.train_labels).to(device)


def _batches(padded: Tensor, labels: Tensor, side: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch: all images cropped and flipped at once, then batch by batch in a random order."""
    count, device = len(padded), padded.device
    shifts = torch.randint(0, 2 * PADDING + 1, (2, count), device=device)
    cropped = torch.empty(
        (count, padded.shape[1], side, side), dtype=padded.dtype, device=device, memory_format=torch.channels_last
    )
    for y in range(2 * PADDING + 1):
        for x in range(2 * PADDING + 1):
            chosen = ((shifts[0] == y) & (shifts[1] == x)).nonzero().squeeze(1)
            cropped[chosen] = padded[chosen, :, y : y + side, x : x + side]
    flipped = torch.rand(count, device=device) < 0.5
    augmented = torch.where(flipped.view(-1, 1, 1, 1), cropped.flip(3), cropped)
    order = torch.randperm(count, device=device)
    for start in range(0, count - size + 1, size):
        chosen = order[start : start + size]
        yield augmented[chosen], labels[chosen]
