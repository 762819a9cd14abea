"""The architectures' slots and plans."""

import pickle
from itertools import product

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.architectures import Architecture, architecture, architecture_names
from fdt_core.networks.layers import Conv, GlobalAveragePool, Layer, Linear, MaxPool, Residual, check_connected, walk

SLOTS = {
    "vgg11": 8,
    "vgg13": 10,
    "vgg16": 13,
    "vgg19": 16,
    "resnet18": 8,
    "resnet34": 16,
    "resnet50": 32,
    "resnet101": 66,
    "resnet152": 100,
}
CIFAR = ImageShape(size=32, classes=10)


def plan(
    name: str, widths: tuple[int, ...] | None = None, width: float = 1.0, image: ImageShape = CIFAR
) -> list[Layer]:
    found = architecture(name)
    return list(found.plan(widths or found.scaled_widths(width), width=width, image=image))


def test_a_template_sets_one_filter_count_per_slot() -> None:
    assert {name: len(architecture(name).base_widths) for name in architecture_names()} == SLOTS


def test_base_filters_double_when_the_maps_are_halved() -> None:
    assert architecture("vgg19").base_widths == (64,) * 2 + (128,) * 2 + (256,) * 4 + (512,) * 8
    assert architecture("resnet50").base_widths == (64,) * 6 + (128,) * 8 + (256,) * 12 + (512,) * 6
    assert architecture("resnet34").base_widths == (64,) * 3 + (128,) * 4 + (256,) * 6 + (512,) * 3


@pytest.mark.parametrize(
    ("name", "size", "classes", "width"), list(product(SLOTS, (32, 40, 64), (10, 200), (1.0, 0.3, 0.01)))
)
def test_every_plan_fits_together(name: str, size: int, classes: int, width: float) -> None:
    image = ImageShape(size=size, classes=classes, channels=1)
    check_connected(tuple(plan(name, width=width, image=image)), image, name)


def test_vgg_has_a_slot_per_convolution_and_pools_after_each_group() -> None:
    widths = tuple(range(11, 27))
    layers = plan("vgg19", widths)
    convolutions = [layer for layer in layers if isinstance(layer, Conv)]
    assert [(conv.filters, conv.kernel, conv.stride) for conv in convolutions] == [(width, 3, 1) for width in widths]
    before_pools = [
        sum(isinstance(x, Conv) for x in layers[:i]) for i, x in enumerate(layers) if isinstance(x, MaxPool)
    ]
    assert before_pools == [2, 4, 8, 12, 16]


def test_vgg_averages_the_maps_of_larger_images_only() -> None:
    assert not any(isinstance(layer, GlobalAveragePool) for layer in plan("vgg16"))
    large = plan("vgg16", image=ImageShape(size=64, classes=200))
    assert [layer.input.elements for layer in large if isinstance(layer, GlobalAveragePool)] == [4 * 512]
    assert [layer.input.elements for layer in large if isinstance(layer, Linear)] == [512]


def test_vgg_rejects_images_too_small_for_its_pooling() -> None:
    with pytest.raises(UsageError, match="VGG halves the image 5 times: it needs at least 32 pixels, not 28"):
        plan("vgg11", image=ImageShape(size=28))


def test_a_bottleneck_takes_two_slots_and_its_stage_outputs_four_times_the_first() -> None:
    widths = tuple(range(11, 43))
    blocks = [layer for layer in plan("resnet50", widths) if isinstance(layer, Residual)]
    bodies = [[layer for layer in block.body if isinstance(layer, Conv)] for block in blocks]
    assert [(first.filters, second.filters) for first, second, _ in bodies] == list(
        zip(*[iter(widths)] * 2, strict=True)
    )
    assert [tuple(conv.kernel for conv in body) for body in bodies] == [(1, 3, 1)] * 16
    stage_outputs = [4 * widths[slot] for slot in (0, 6, 14, 26)]
    expected = [output for output, count in zip(stage_outputs, (3, 4, 6, 3), strict=True) for _ in range(count)]
    assert [block.output.channels for block in blocks] == expected
    assert [second.stride for _, second, _ in bodies] == [1] * 3 + [2] + [1] * 3 + [2] + [1] * 5 + [2] + [1] * 2


def test_a_basic_block_takes_one_slot_and_its_stage_outputs_the_first() -> None:
    widths = (11, 12, 13, 14, 15, 16, 17, 18)
    blocks = [layer for layer in plan("resnet18", widths) if isinstance(layer, Residual)]
    bodies = [[layer for layer in block.body if isinstance(layer, Conv)] for block in blocks]
    assert [(first.filters, second.filters) for first, second in bodies] == [
        (11, 11), (12, 11), (13, 13), (14, 13), (15, 15), (16, 15), (17, 17), (18, 17)
    ]  # fmt: skip
    assert [first.stride for first, _ in bodies] == [1, 1, 2, 1, 2, 1, 2, 1]


def test_a_shortcut_is_projected_only_if_the_shape_changes() -> None:
    def projected(name: str, widths: tuple[int, ...] | None = None) -> list[bool]:
        return [bool(layer.shortcut) for layer in plan(name, widths) if isinstance(layer, Residual)]

    assert projected("resnet18") == [False, False, True, False, True, False, True, False]
    assert projected("resnet18", (63,) * 8) == [True, False, True, False, True, False, True, False]
    assert projected("resnet50")[:4] == [True, False, False, True]
    assert projected("resnet50", (16,) * 32)[:4] == [False, False, False, True]


def test_the_stem_is_outside_the_template_and_scales_with_the_width() -> None:
    def stem(width: float) -> int:
        return next(
            layer for layer in walk(tuple(plan("resnet50", (7,) * 32, width))) if isinstance(layer, Conv)
        ).filters

    assert [stem(width) for width in (1.0, 0.25, 0.125, 0.001)] == [64, 16, 8, 1]


def test_base_filters_are_scaled_half_to_even_and_at_least_1() -> None:
    custom = Architecture(name="custom", base_widths=(1, 10, 30, 64), plan=architecture("vgg11").plan)
    assert custom.scaled_widths(0.25) == (1, 2, 8, 16)


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_width_must_be_positive(width: float) -> None:
    with pytest.raises(UsageError, match="the width multiplier must be positive"):
        architecture("vgg11").scaled_widths(width)


@pytest.mark.parametrize("base_widths", [(), (64, 0)])
def test_an_architecture_needs_filters(base_widths: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="base_widths must be one or more positive numbers"):
        Architecture(name="custom", base_widths=base_widths, plan=architecture("vgg11").plan)


def test_the_error_for_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'vgg18'; did you mean 'vgg1.*package.module:attribute"):
        architecture("vgg18")


CUSTOM = Architecture(name="another name", base_widths=(8, 16), plan=architecture("vgg11").plan)


def test_a_custom_architecture_is_found_by_module_and_attribute_and_gets_that_name() -> None:
    found = architecture(f"{__name__}:CUSTOM")
    assert found.name == f"{__name__}:CUSTOM"
    assert found.base_widths == (8, 16)


def test_architectures_can_be_pickled() -> None:
    for name in architecture_names():
        found = architecture(name)
        sent: Architecture = pickle.loads(pickle.dumps(found))
        assert sent.plan(found.base_widths, width=1.0, image=CIFAR) == tuple(plan(name))
