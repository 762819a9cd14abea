"""Convolutions on the CPU are correct on all kinds of processor, and keep their names, weights and costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from fdt_core.image import ImageShape
from fdt_core.networks.architectures import architecture
from fdt_core.networks.build import build_model
from fdt_core.networks.convolution import Convolution, use_right_kernels
from fdt_core.networks.module_cost import module_cost
from tests.fdt_core.processors import HAS_AVX512, like

PROCESSORS = (
    "DEFAULT",
    pytest.param("AVX2", marks=pytest.mark.skipif(not HAS_AVX512, reason="this processor uses these kernels anyway")),
)


def check(processor: str, *arguments: str) -> None:
    """Compare convolutions with float64, on kernels for `processor`."""
    checked = subprocess.run(
        [sys.executable, "-m", "tests.fdt_core.networks.convolution_check", *arguments],
        env=like(processor),
        capture_output=True,
        text=True,
    )
    lines = checked.stdout.splitlines()
    assert lines, checked.stderr
    assert [line for line in lines if not line.endswith(": right")] == []
    assert checked.returncode == 0, checked.stderr


@pytest.mark.trainer
@pytest.mark.parametrize("processor", PROCESSORS)
def test_convolutions_that_were_wrong_are_now_correct(processor: str) -> None:
    check(processor, "known")


@pytest.mark.trainer
@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_random_sample_of_convolutions_is_correct(processor: str) -> None:
    check(processor, "0", "400")


@pytest.mark.parametrize("padding", [0, 1, "valid"])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3), (9, 2)])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_it_computes_the_same_as_torchs_convolution(
    padding: int | str, kernel: int, stride: tuple[int, int], padding_mode: str
) -> None:
    options: dict[str, Any] = {"stride": stride, "padding": padding, "padding_mode": padding_mode, "groups": 2}
    torchs = nn.Conv2d(4, 6, kernel, **options).double()
    ours = Convolution(4, 6, kernel, **options).double()
    ours.load_state_dict(torchs.state_dict())
    pixels = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(ours(pixels), torchs(pixels))
    torch.testing.assert_close(ours(pixels[0]), torchs(pixels[0]))


def test_names_weights_and_costs_are_those_of_plain_convolutions() -> None:
    found = architecture("resnet50")
    layers = found.plan(found.scaled_widths(0.1), width=0.1, image=ImageShape())
    ours, plain = (build_model(layers, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    for module in plain.modules():
        if isinstance(module, Convolution):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]  # mypy allows subclasses only
    assert list(ours.state_dict()) == list(plain.state_dict())
    assert module_cost(ours, ImageShape()) == module_cost(plain, ImageShape())
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours.eval()(pixels), plain.eval()(pixels))


def test_networks_of_users_get_correct_kernels_in_place() -> None:
    class Subclass(nn.Conv2d):
        pass

    network = nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.Sequential(Subclass(4, 4, 1)), nn.ConvTranspose2d(4, 4, 1))
    parameters = list(network.parameters())
    assert use_right_kernels(network) is network
    assert [type(module) for module in network.modules()][1:] == [
        Convolution,
        nn.Sequential,
        Subclass,
        nn.ConvTranspose2d,
    ]
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
