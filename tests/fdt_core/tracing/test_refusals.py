"""Networks that cannot be used are refused with one clear message."""

from __future__ import annotations

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing.traced_network import traced_network
from tests.fdt_core.tracing import small_networks

SMALL = small_networks.__name__


def refusal(name: str, size: int = 32, **more: object) -> str:
    definition = ModelDefinition(name=name, **more)  # type: ignore[arg-type]  # fields, by name
    with pytest.raises(UsageError) as refused:
        traced_network(definition, ImageShape(size=size))
    message = str(refused.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert "File " not in message
    return message


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("BranchesOnData", "does not run on images of 3 x 32 x 32: "),
        ("TwoInputs", "does not run on images of 3 x 32 x 32: TypeError: "),
        ("NoConvolution", "templates distribute the filters of convolutions, and this network has none"),
        ("Patches", "templates distribute the filters of convolutions, and this network has none"),
        ("NoClasses", "takes no `num_classes`: its constructor must"),
        ("ReturnsTwo", "returns a tuple, not one tensor of 10 values per image"),
        ("WrongLogits", "returns a tensor of shape (1, 11) for one image, not (1, 10)"),
        ("Broken", "cannot be constructed: RuntimeError: first line"),
        ("MustNotNarrow", "at other widths does not run on images of 3 x 32 x 32 in its module 'block'"),
        ("not_a_module", "is a str: name an nn.Module class, a function that returns a module, or an Architecture"),
        ("gives_text", "gives a str, not a torch.nn.Module"),
        ("absent", f"module '{SMALL}' has no 'absent'"),
    ],
)
def test_a_module_of_a_user(network: str, message: str) -> None:
    found = refusal(f"{SMALL}:{network}")
    assert message in found
    assert f"{SMALL}:{network}" in found


def test_a_network_that_must_not_narrow_can_be_used_if_its_block_is_fixed() -> None:
    assert "an override `fixed: ['block.inside']` may help" in refusal(f"{SMALL}:MustNotNarrow")
    definition = ModelDefinition(name=f"{SMALL}:MustNotNarrow", fixed=("before", "block*"))
    with pytest.raises(UsageError, match="no convolution whose filters could be changed"):
        traced_network(definition, ImageShape())


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("timm/convnext_ato", ["unknown model 'timm/convnext_ato'", "timm/convnext_atto", "networks)"]),
        ("torchvision/resnet51", ["unknown model 'torchvision/resnet51'", "torchvision/resnet50"]),
        ("torchvision/raft_large", ["unknown model"]),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(name: str, parts: list[str]) -> None:
    message = refusal(name)
    assert all(part in message for part in parts)


@pytest.mark.parametrize("name", ["timm/test_resnet", "torchvision/squeezenet1_1"])
def test_an_unknown_argument(name: str) -> None:
    message = refusal(name, arguments={"no_such_argument": 3})
    assert message.startswith(f"'{name}' cannot be constructed with no_such_argument=3: TypeError: ")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("timm/test_resnet", "num_classes"),
        ("timm/test_resnet", "pretrained"),
        ("torchvision/resnet18", "weights"),
        (f"{SMALL}:Chain", "in_chans"),
    ],
)
def test_an_argument_that_the_data_set_decides(name: str, argument: str) -> None:
    assert f"the argument {argument!r} is set by fdt-sweep: leave it out" in refusal(name, arguments={argument: 3})


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("timm/vit_tiny_patch16_224", {"img_size": 32}),
        ("timm/mixer_s32_224", {"img_size": 32}),
        ("torchvision/vit_b_16", {"image_size": 32}),
    ],
)
def test_a_network_without_convolutions_beyond_those_that_read_the_image(
    name: str, arguments: dict[str, object]
) -> None:
    message = "templates distribute the filters of convolutions, and this network has none beyond those that read"
    assert message in refusal(name, arguments=arguments)


def test_an_image_that_is_too_small() -> None:
    message = refusal("torchvision/alexnet")
    assert message.startswith("torchvision/alexnet does not run on images of 3 x 32 x 32 in its module 'features.")
