"""Training steps per second of VGG19 at width 0.125 on one core, compared with the usual training loops.

    python -m benchmarks.training

- `plain_loop`: a PyTorch loop with torchvision transforms and a DataLoader, `loss.item()` at every step.
- `ceiling`: the same model and optimiser as ours, on one constant batch. No data path can be faster.
- For comparison only: the plain loop with channels last, a loop of timm's parts combined as in its training script, and
  Lightning.

Nothing is evaluated. A round is `STEPS` steps of each candidate in turn; the ratios are medians over the rounds.
Seconds are processor seconds; without workers and on one thread, they equal wall-clock seconds on an idle machine.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.alternatives.usual_pipeline import BATCH_SIZE, PilImages, pin_to_one_core, transforms_v1, usual_loader
from benchmarks.report import interleaved_seconds, print_report
from fdt_core.datasets.prepared import PreparedDataset
from fdt_core.networks.architectures import architecture
from fdt_core.training.batch_metrics import read_scores
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.initialisation import build_optimiser, initial_network
from fdt_core.training.learner import Learner
from fdt_core.trial.recipe import recipe_for
from fdt_core.trial.spec import TrialSpec
from lab.noise_images import noise_images

STEPS = 24
ROUNDS = 7
WIDTH = 0.125


def trial(data: PreparedDataset) -> TrialSpec:
    """A thin VGG19 with the paper's recipe."""
    return TrialSpec(
        model="vgg19",
        width=WIDTH,
        widths=architecture("vgg19").scaled_widths(WIDTH),
        dataset=data.info.name,
        image=data.info.image,
        seed=0,
        recipe=recipe_for("paper", "cifar10"),
        threads=1,
    )


def our_trainer(spec: TrialSpec, data: PreparedDataset) -> Callable[[], object]:
    """One epoch by the trainer, which reads losses and accuracy once."""
    learner, epochs = Learner(spec, DeviceDataset(data, "cpu")), iter(range(1, spec.recipe.epochs))
    return lambda: read_scores([learner.train(next(epochs), lambda part: None)])


def constant_batch(spec: TrialSpec) -> Callable[[], object]:
    """The trainer's model and optimiser on one constant batch."""
    network = initial_network(spec).to(memory_format=torch.channels_last)
    optimiser = build_optimiser(network, spec.recipe)
    pixels = torch.randn(BATCH_SIZE, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH_SIZE) % 10

    def steps() -> None:
        for _ in range(STEPS):
            loss = F.cross_entropy(network(pixels), labels)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    return steps


def plain_loop(
    spec: TrialSpec, loader: Iterable[tuple[Tensor, Tensor]], layout: torch.memory_format
) -> Callable[[], object]:
    """The loop of many repositories, which reads running loss and accuracy at every step."""
    network = initial_network(spec).to(memory_format=layout)
    optimiser = usual_optimiser(network, spec)
    criterion = nn.CrossEntropyLoss()

    def epoch() -> tuple[float, int]:
        network.train()
        running_loss, correct = 0.0, 0
        for images, labels in loader:
            images = images.to(memory_format=layout)
            optimiser.zero_grad()
            outputs = network(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimiser.step()
            running_loss += loss.item()
            correct += int(outputs.argmax(1).eq(labels).sum().item())
        return running_loss, correct

    return epoch


def timm_loop(spec: TrialSpec, data: PreparedDataset) -> Callable[[], object]:
    """Timm's loader (which normalises whole batches), optimiser, loss and meters."""
    from timm.data import create_loader
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.utils import AverageMeter, accuracy

    loader = create_loader(
        PilImages(data),
        input_size=(3, 32, 32),
        batch_size=BATCH_SIZE,
        is_training=True,
        color_jitter=0.0,
        re_prob=0.0,
        mean=data.mean,
        std=data.std,
        num_workers=0,
        device=torch.device("cpu"),
        persistent_workers=False,
    )
    network = initial_network(spec).to(memory_format=torch.channels_last)
    recipe = spec.recipe
    optimiser = create_optimizer_v2(
        network, opt="momentum", lr=recipe.learning_rate, weight_decay=recipe.weight_decay, momentum=recipe.momentum
    )
    criterion = LabelSmoothingCrossEntropy(smoothing=0.0)

    def epoch() -> float:
        network.train()
        losses, top1 = AverageMeter(), AverageMeter()
        for images, labels in loader:
            images = images.contiguous(memory_format=torch.channels_last)
            outputs = network(images)
            loss = criterion(outputs, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.update(loss.item(), len(images))
            top1.update(accuracy(outputs, labels)[0].item(), len(images))
        return float(losses.avg)

    return epoch


def lightning_loop(spec: TrialSpec, loader: Iterable[tuple[Tensor, Tensor]]) -> Callable[[], object]:
    """A LightningModule and a Trainer without logger, checkpoints and progress bar."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = initial_network(spec)

        def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
            images, labels = batch
            loss = F.cross_entropy(self.network(images), labels)
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return usual_optimiser(self.network, spec)

    classifier = Classifier()

    def epoch() -> None:
        trainer: Any = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(classifier, loader)

    return epoch


def usual_optimiser(network: nn.Module, spec: TrialSpec) -> torch.optim.Optimizer:
    """SGD as usually constructed."""
    recipe = spec.recipe
    return torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def main() -> None:
    """Measure all candidates in turn."""
    warnings.filterwarnings("ignore", module="lightning")
    pin_to_one_core()
    data = noise_images(STEPS * BATCH_SIZE)
    spec = trial(data)
    loader = usual_loader(data, transforms_v1(data))
    candidates = {
        "ours": our_trainer(spec, data),
        "ceiling": constant_batch(spec),
        "plain_loop": plain_loop(spec, loader, torch.contiguous_format),
        "plain_loop_channels_last": plain_loop(spec, loader, torch.channels_last),
        "timm": timm_loop(spec, data),
        "lightning": lightning_loop(spec, loader),
    }
    interleaved_seconds(candidates, rounds=1)  # warm up
    seconds = interleaved_seconds(candidates, rounds=ROUNDS, clock=time.process_time)
    ratios = {
        name: median(theirs / ours for theirs, ours in zip(values, seconds["ours"], strict=True))
        for name, values in seconds.items()
        if name != "ours"
    }
    print_report(
        "training",
        ratios=ratios,
        figures={f"{name}_images_per_second": STEPS * BATCH_SIZE / median(values) for name, values in seconds.items()},
        packages=("torch", "torchvision", "timm", "lightning"),
    )


if __name__ == "__main__":
    main()
