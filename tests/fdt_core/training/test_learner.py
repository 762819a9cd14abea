"""The learner's steps with AdamW, averaged weights, mixed labels and new augmentation, against a plain loop."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdt_core.datasets.prepared import PreparedDataset
from fdt_core.training.augmentation.draws import Draws, draw_augmentation, draw_order
from fdt_core.training.augmentation.mixing import Mixing, draw_mixing
from fdt_core.training.initialisation import build_optimiser, initial_network
from fdt_core.training.learner import Learner
from fdt_core.training.learning_rate_schedule import learning_rate
from fdt_core.trial.recipe import Recipe
from tests.fdt_core.trials import MODERN, on_cpu, small_data, small_spec

EACH_FAMILY = ("vgg11", pytest.param("resnet18", marks=pytest.mark.trainer))


def plain_image(image: Tensor, draws: Draws, data: PreparedDataset) -> Tensor:
    """One image [H, W, C], augmented as one would write it for a single image; float32 [C, H, W]."""
    assert draws.kept is not None
    assert draws.erased is not None
    kept, erased = (
        [int(values) for values in (boxes.top, boxes.left, boxes.height, boxes.width)]
        for boxes in (draws.kept, draws.erased)
    )
    size = image.shape[0]
    part = image[kept[0] : kept[0] + kept[2], kept[1] : kept[1] + kept[3]].permute(2, 0, 1).float().unsqueeze(0)
    pixels = F.interpolate(part, (size, size), mode="bilinear", antialias=True)[0].round()
    pixels = pixels.flip(2) if draws.flip else pixels
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (data.mean, data.std))
    pixels = (pixels / 255 - mean) / std
    pixels[:, erased[0] : erased[0] + erased[2], erased[1] : erased[1] + erased[3]] = 0
    return pixels


def plain_mix(pixels: Tensor, mixing: Mixing) -> Tensor:
    others = pixels[mixing.partner]
    if not mixing.box.height or not mixing.box.width:
        return float(mixing.outside) * pixels + (1 - float(mixing.outside)) * others
    box = mixing.box
    rows, columns = (
        slice(int(start), int(start + length)) for start, length in ((box.top, box.height), (box.left, box.width))
    )
    mixed = pixels.clone()
    mixed[:, :, rows, columns] = others[:, :, rows, columns]
    return mixed


@pytest.mark.parametrize("model", EACH_FAMILY)
def test_twenty_modern_steps_equal_a_plain_loop(model: str) -> None:
    spec, data = small_spec(model, **MODERN | {"epochs": 4, "gradient_clip": 1.0}), small_data()
    learner, recipe = Learner(spec, on_cpu(data)), spec.recipe
    ours = [loss for epoch in range(1, 5) for loss in learner.train(epoch, lambda part: None).losses()]

    network = initial_network(spec)
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        fused=False,
        foreach=False,
    )
    theirs: list[float] = []
    for epoch in range(1, 5):
        shape = {"images": 150, "seed": 0, "epoch": epoch}
        order = draw_order(**shape)
        draws = draw_augmentation(recipe, image_size=32, **shape)
        mixing = draw_mixing(recipe, image_size=32, **shape)
        assert mixing is not None
        for number, start in enumerate(range(0, 150, 32)):
            chosen = order[start : start + 32]
            images, labels = (torch.from_numpy(stored)[chosen] for stored in (data.train_images, data.train_labels))
            single = [plain_image(image, draws.batch(start + i, 1), data) for i, image in enumerate(images)]
            now = mixing.batch(number, start, 32)
            weight = float(now.weight)
            targets = weight * F.one_hot(labels, 10) + (1 - weight) * F.one_hot(labels[now.partner], 10)
            step = len(theirs)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe, step, 5)
            loss = F.cross_entropy(network(plain_mix(torch.stack(single), now)), targets, label_smoothing=0.1)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            theirs.append(loss.item())
            decay = min(0.9, (2 + step) / (11 + step))
            for name, value in average.state_dict().items():
                value.copy_(decay * value + (1 - decay) * network.state_dict()[name])
    assert len(ours) == 20
    assert ours == pytest.approx(theirs, rel=1e-3)
    (evaluated,) = learner.evaluate("test", lambda part: None).losses()
    assert evaluated == pytest.approx(plain_evaluation(average, data), rel=1e-3)


def plain_evaluation(network: nn.Module, data: PreparedDataset) -> float:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    pixels = (torch.from_numpy(data.test_images).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        return float(F.cross_entropy(network.eval()(pixels), torch.from_numpy(data.test_labels)))


def test_the_training_accuracy_counts_the_label_with_the_larger_weight() -> None:
    learner = Learner(small_spec(learning_rate=1e-12, mixup=1.0, flip=False, cutout=0, crop_padding=0), on_cpu())
    metrics = learner.train(1, lambda part: None)
    mixing = draw_mixing(small_spec(mixup=1.0).recipe, images=150, image_size=32, seed=0, epoch=1)
    assert mixing is not None
    labels = torch.from_numpy(small_data().train_labels)[draw_order(images=150, seed=0, epoch=1)]
    network = Learner(small_spec(), on_cpu()).network.train()
    data = small_data()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    images = torch.from_numpy(data.train_images)[draw_order(images=150, seed=0, epoch=1)]
    pixels = (images.permute(0, 3, 1, 2) / 255 - mean) / std
    for number, start in enumerate(range(0, 150, 32)):
        now = mixing.batch(number, start, 32)
        own = labels[start : start + 32]
        heavier = own if float(now.weight) >= 0.5 else own[now.partner]
        with torch.no_grad():
            logits = network(plain_mix(pixels[start : start + 32], now))
        assert float(metrics._values[1, number]) == pytest.approx(int((logits.argmax(1) == heavier).sum()), abs=1)


@pytest.mark.parametrize(("optimiser", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_that_of_the_recipe_and_fused(optimiser: str, kind: type[torch.optim.Optimizer]) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    recipe = Recipe(
        optimiser=optimiser,  # type: ignore[arg-type]
        weight_decay=0.01,
        decay_norm_and_bias=False,
        betas=(0.8, 0.9),
        eps=1e-6,
    )
    built = build_optimiser(network, recipe)
    assert type(built) is kind
    assert [group["weight_decay"] for group in built.param_groups] == [0.01, 0.0]
    assert [len(group["params"]) for group in built.param_groups] == [1, 3]
    for group in built.param_groups:
        assert group["fused"] is True
        if optimiser == "adamw":
            assert (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-6)
