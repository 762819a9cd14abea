"""Small data, small trials and a network, shared by the tests of training and measuring."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fdt_core.datasets.info import DatasetInfo
from fdt_core.datasets.prepared import PreparedDataset
from fdt_core.datasets.store import channel_moments
from fdt_core.image import ImageShape
from fdt_core.networks.architectures import architecture
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from fdt_core.trial.history import EpochRecord
from fdt_core.trial.recipe import recipe_for
from fdt_core.trial.spec import TrialSpec

VOLATILE = {"seconds", "images_per_second"}

MODERN: dict[str, Any] = {
    "optimiser": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "decay_norm_and_bias": False,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "label_smoothing": 0.1,
    "ema": 0.9,
    "mixup": 0.4,
    "cutmix": 1.0,
    "random_erasing": 0.5,
    "crop": "random_resized",
    "crop_scale": [0.25, 1.0],
    "cutout": 0,
}
"""Fields of a recipe that use everything that was added after version 0.1."""


class SlowStarter(nn.Module):
    """Holds 400 MB in its first two runs in each mode, as a search for the best kernels does, and little afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 10)
        self.runs = {True: 0, False: 0}

    def forward(self, x: Tensor) -> Tensor:
        self.runs[self.training] += 1
        held = torch.ones(100_000_000 if self.runs[self.training] <= 2 else 10, device=x.device)
        return self.out(x.mean((2, 3))) + held[0]  # type: ignore[no-any-return]


def small_data(train: int = 150, test: int = 50, classes: int = 10, size: int = 32) -> PreparedDataset:
    """Images of noise whose brightness in one quarter gives away the class, so that a network can learn it."""
    random = np.random.default_rng(0)

    def split(count: int) -> tuple[Any, Any]:
        labels = np.arange(count) % classes
        images = random.integers(0, 160, (count, size, size, 3), dtype=np.uint8)
        images[:, : size // 2, : size // 2] += (labels * (90 // classes)).astype(np.uint8)[:, None, None, None]
        return images, labels.astype(np.int64)

    train_images, train_labels = split(train)
    test_images, test_labels = split(test)
    mean, std = channel_moments(train_images)
    return PreparedDataset(
        info=DatasetInfo(
            name="small", image=ImageShape(size=size, classes=classes), train_images=train, test_images=test
        ),
        digest="0" * 64,
        class_names=tuple(str(number) for number in range(classes)),
        mean=mean,
        std=std,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def on_cpu(data: PreparedDataset | None = None, **options: Any) -> DeviceDataset:
    """`data`, by default the small data, on the CPU."""
    return DeviceDataset(data or small_data(), "cpu", **options)


def small_spec(
    model: str = "vgg11", seed: int = 0, width: float = 0.0625, data: PreparedDataset | None = None, **recipe: Any
) -> TrialSpec:
    """A trial of a thin network; by default three epochs with batches of 32 and full augmentation."""
    defaults = {"base": "paper", "epochs": 3, "batch_size": 32, "learning_rate": 0.05, "weight_decay": 5e-4}
    info = (data or small_data()).info
    return TrialSpec(
        model=model,
        width=width,
        widths=architecture(model).scaled_widths(width),
        dataset=info.name,
        image=info.image,
        seed=seed,
        recipe=recipe_for(defaults | recipe, info.name),
        threads=1,
    )


def stop_at_batch(number: int) -> Callable[[float], bool]:
    """A `should_stop` that returns true from its `number`-th call on."""
    calls = itertools.count(1)
    return lambda seconds_to_epoch_end: next(calls) >= number


def lasting(history: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    """The history without what may differ between two correct runs."""
    return [{key: value for key, value in vars(record).items() if key not in VOLATILE} for record in history]


def same_tensors(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two state dicts are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def train(spec: TrialSpec, **options: Any) -> Training:
    """Train the trial on the CPU with the small data, to its end or until an option interrupts it."""
    training = Training(spec, on_cpu(), device="cpu", **options)
    for _ in training.epochs():
        pass
    return training


def train_until_killed(spec: TrialSpec, directory: Path, point: str) -> None:
    """Train the trial in another process, with checkpoints in `directory`, until it kills itself at `point`.

    See `tests.fdt_core.training.killable_training` for the points.
    """
    killed = subprocess.run(
        [sys.executable, "-m", "tests.fdt_core.training.killable_training", str(directory), spec.to_json(), point],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -signal.SIGKILL


def weights(training: Training) -> dict[str, Tensor]:
    """The state of the network."""
    return training.network.state_dict()
