"""What a trace cannot know is found out before a number goes into the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.models import find_model
from fdt_core.tracing.traced_network import TracedNetwork, traced_network
from tests.fdt_core.tracing import deceptive_networks

IMAGE = ImageShape(size=16)


def network(name: str) -> TracedNetwork:
    return traced_network(ModelDefinition(name=f"{deceptive_networks.__name__}:{name}"), IMAGE)


def test_a_constructor_that_draws_its_shape_is_never_trained_as_another_network() -> None:
    def built_with_twenty_seeds() -> None:
        for seed in range(20):
            traced = network("RandomStride")
            traced.build(traced.choice.base_filters(1.0), 1.0, seed=seed, device="meta")

    with pytest.raises(UsageError, match=r"MACs when it is rebuilt, not .* depends on its widths or on chance"):
        built_with_twenty_seeds()


def test_a_network_is_counted_at_the_very_filters_of_a_trial() -> None:
    traced = network("PoolsIfWide")
    assert traced.build((16, 32, 64), 1.0, seed=0, device="meta") is not None
    with pytest.raises(UsageError, match=r"has [\d,]+ MACs when it is rebuilt, not [\d,]+ as its trace predicts"):
        traced.build((16, 90, 64), 1.0, seed=0, device="meta")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Masked", "the fixed values of ramp depend on its width", id="buffer"),
        pytest.param("Tied", r"one\.weight and other\.weight are one parameter", id="tied weights"),
        pytest.param("Lazy", "cannot be traced, because of its module 'second'", id="lazy"),
        pytest.param("INSTANCE", "is an instance of Chain: name an nn.Module class", id="instance"),
    ],
)
def test_it_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refusal:
        network(name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("builtins:dict", "the source of 'builtins' cannot be read", id="built in"),
        pytest.param("exits_on_import:net", "importing 'exits_on_import' failed: SystemExit", id="exits"),
        pytest.param("timm/hf-hub:foo", "unknown model 'timm/hf-hub:foo'", id="remote"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_one_line(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exits_on_import.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    definition = ModelDefinition(name=name)
    with pytest.raises(UsageError, match=message):
        find_model(definition).family(image=IMAGE, width=1.0)


@pytest.mark.parametrize("alias", ["vgg11", "timm/convnext_atto", "mine*"])
def test_another_models_name_and_wildcards_are_no_names(alias: str) -> None:
    with pytest.raises(UsageError, match="choose another name"):
        find_model(ModelDefinition(name="torchvision/resnet18", alias=alias))


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_arguments_are_plain_data(value: object) -> None:
    with pytest.raises(ValueError, match="arguments must be numbers, text, lists and mappings"):
        ModelDefinition(name="torchvision/resnet18", arguments={"eps": value})


def test_an_edited_file_that_the_network_imports_is_another_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    sources = []
    for number, stride in enumerate((1, 1, 2)):
        (tmp_path / f"blocks_{number}.py").write_text(
            f"from torch import nn\ndef block(i, o):\n    return nn.Conv2d(i, o, 3, stride={stride}, padding=1)\n"
        )
        (tmp_path / f"net_{number}.py").write_text(
            f"from torch import nn\nfrom blocks_{number} import block\n"
            "def net(num_classes):\n    return nn.Sequential(block(3, 8), block(8, 8), nn.AdaptiveAvgPool2d(1),\n"
            "        nn.Flatten(), nn.Linear(8, num_classes))\n"
        )
        traced = traced_network(ModelDefinition(name=f"net_{number}:net", alias="net"), IMAGE)
        sources.append((traced.source, traced.cost((8, 8), 1.0).macs))
    assert len({macs for _, macs in sources}) == 2
    assert sources[2][0] not in (sources[0][0], sources[1][0])


@pytest.mark.oracle
def test_squeeze_and_excitation_on_maps_of_one_pixel_is_not_a_slot() -> None:
    small, large = (
        traced_network(ModelDefinition(name="timm/lcnet_035"), ImageShape(size=size)).choice for size in (32, 64)
    )
    assert [slot.modules for slot in small.slots] == [slot.modules for slot in large.slots]
