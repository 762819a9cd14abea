"""Networks built from plans: what they compute and how they are initialised."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fdt_core.image import ImageShape
from fdt_core.networks.architectures import architecture, architecture_names
from fdt_core.networks.build import build_model
from fdt_core.networks.cost import cost_of
from fdt_core.networks.layers import (
    GlobalAveragePool,
    Layer,
    Linear,
    MaxPool,
    ReLU,
    Residual,
    Shape,
    conv_norm,
    conv_norm_relu,
)

WIDTH = 0.125
CIFAR10 = ImageShape(size=32, classes=10)


def plan(name: str, width: float = WIDTH, image: ImageShape = CIFAR10) -> tuple[Layer, ...]:
    found = architecture(name)
    return found.plan(found.scaled_widths(width), width=width, image=image)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", architecture_names())
@pytest.mark.parametrize(("size", "classes"), [(32, 10), (64, 200), (40, 3)])
def test_a_network_gives_one_logit_per_class(name: str, size: int, classes: int) -> None:
    layers = plan(name, 0.03, ImageShape(size=size, classes=classes))
    model = build_model(layers, generator=seeded(0))
    logits = model(torch.randn(2, 3, size, size, generator=seeded(1)))
    assert logits.shape == (2, classes)
    assert logits.isfinite().all()
    assert sum(parameter.numel() for parameter in model.parameters()) == cost_of(layers).params


def test_each_layer_computes_what_its_name_says() -> None:
    image = Shape(channels=2, size=5)
    block = Residual(input=Shape(channels=3, size=5), body=conv_norm(Shape(channels=3, size=5), 3))
    layers: tuple[Layer, ...] = (*conv_norm_relu(image, 3), block, ReLU(input=block.output))
    layers = (*layers, MaxPool(input=block.output), GlobalAveragePool(input=Shape(channels=3, size=2)))
    layers = (*layers, Linear(input=Shape(channels=3, size=1), outputs=4))
    model = build_model(layers, generator=seeded(3)).eval()
    weights = list(model.parameters())
    pixels = torch.randn(2, 2, 5, 5, generator=seeded(4))

    scale = (1 + 1e-5) ** -0.5  # BatchNorm as initialised: running variance 1, epsilon 1e-5
    first = F.relu(F.conv2d(pixels, weights[0], padding=1) * scale)
    second = F.relu(first + F.conv2d(first, weights[3], padding=1) * scale)
    pooled = F.max_pool2d(second, 2).mean((2, 3))
    torch.testing.assert_close(model(pixels), pooled @ weights[6].T + weights[7])


def test_a_seed_always_gives_the_same_network() -> None:
    first = build_model(plan("resnet18"), generator=seeded(7)).state_dict()
    torch.manual_seed(99)
    torch.randn(1000)
    again = build_model(plan("resnet18"), generator=seeded(7)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_another_seed_gives_another_network() -> None:
    one, other = (build_model(plan("vgg11"), generator=seeded(seed)) for seed in (1, 2))
    for a, b in zip(one.modules(), other.modules(), strict=True):
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.Conv2d):
            assert not torch.equal(a.weight, b.weight)


def test_without_a_generator_torchs_global_seed_decides() -> None:
    torch.manual_seed(5)
    one = build_model(plan("vgg11"))
    torch.manual_seed(5)
    other = build_model(plan("vgg11"))
    assert torch.equal(next(one.parameters()), next(other.parameters()))


def test_building_with_a_generator_leaves_torchs_global_one_alone() -> None:
    before = torch.get_rng_state()
    build_model(plan("vgg11"), generator=seeded(1))
    assert torch.equal(before, torch.get_rng_state())


def test_weights_are_he_fan_out_and_norms_the_identity() -> None:
    model = build_model(plan("resnet50", 0.5), generator=seeded(0))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert module.bias is None
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.eq(1).all()
            assert module.bias.eq(0).all()
            assert module.running_mean is not None
            assert module.running_mean.eq(0).all()
            assert module.running_var is not None
            assert module.running_var.eq(1).all()
        if isinstance(module, nn.Linear):
            assert module.bias.eq(0).all()
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_on_the_meta_device_a_network_takes_no_memory() -> None:
    with torch.device("meta"):
        model = build_model(plan("resnet152", 1.0))
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}


@pytest.mark.gpu
def test_training_steps_on_cuda_are_deterministic() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    images, labels = torch.randn(16, 3, 64, 64, device="cuda"), torch.randint(10, (16,), device="cuda")

    def gradients(name: str) -> list[torch.Tensor]:
        layers = plan(name, image=ImageShape(size=64, classes=10))
        model = build_model(layers, generator=seeded(0)).cuda()
        torch.autograd.backward(F.cross_entropy(model(images), labels))
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    torch.use_deterministic_algorithms(True)
    try:
        for name in ("vgg11", "resnet18"):
            assert all(torch.equal(a, b) for a, b in zip(gradients(name), gradients(name), strict=True))
    finally:
        torch.use_deterministic_algorithms(False)
