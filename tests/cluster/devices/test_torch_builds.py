"""Which build of torch fits which card and driver, checked against a table of real cards."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.devices.device_check import Device
from cluster.devices.torch_builds import build_advice, description, runs_on

CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")


@pytest.mark.parametrize(
    ("card", "capability", "with_cu130", "with_cu126"),
    [
        ("Tesla K80", (3, 7), False, False),
        ("GTX Titan X (Maxwell)", (5, 2), False, True),
        ("P100", (6, 0), False, True),
        ("Titan Xp", (6, 1), False, True),
        ("V100, Titan V", (7, 0), False, True),
        ("T4, RTX 2080", (7, 5), True, True),
        ("A100", (8, 0), True, True),
        ("RTX 3090, A40", (8, 6), True, True),
        ("RTX 4090, L40", (8, 9), True, True),
        ("H100", (9, 0), True, True),
        ("B200", (10, 0), True, False),
        ("RTX 5090", (12, 0), True, False),
    ],
)
def test_machine_code_runs_only_on_its_own_major_version(
    card: str, capability: tuple[int, int], with_cu130: bool, with_cu126: bool
) -> None:
    assert runs_on(capability, CU130) == with_cu130
    assert runs_on(capability, CU126) == with_cu126


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_90a",), (9, 0), True),
        (("sm_100a",), (10, 3), False),
        (("sm_100f",), (10, 3), True),
        (("compute_90",), (12, 0), True),
        (("compute_90",), (8, 9), False),
        (("sm_86",), (8, 0), False),
        (("gfx90a",), (9, 0), False),
        ((), (9, 0), False),
    ],
)
def test_ptx_and_special_code(architectures: tuple[str, ...], capability: tuple[int, int], runs: bool) -> None:
    assert runs_on(capability, architectures) == runs


def card(capability: tuple[int, int] | None, driver: int, torch_cuda: str = "13.0", **more: Any) -> Device:
    archs = {"13.0": CU130, "12.6": CU126, "": ()}[torch_cuda]
    return Device(
        id="0",
        name="a card",
        capability=capability,
        driver_cuda=driver,
        torch_cuda=torch_cuda,
        architectures=archs,
        **more,
    )


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        (card((9, 0), 13000), ""),
        (card((9, 0), 13020, "12.6"), ""),
        (card((7, 0), 13000), "compute capability 7.0 is cu126"),
        (card((6, 1), 12040), "compute capability 6.1 is cu126"),
        (card((8, 0), 12020), "compute capability 8.0 is cu128"),
        (card((12, 0), 12080, "12.6"), "compute capability 12.0 is cu128"),
        (card((12, 0), 13000, "12.6"), "compute capability 12.0 is cu130"),
        (card((8, 0), 11040), "a newer NVIDIA driver: 525 or later"),
        (card((3, 7), 11040), "no build of torch that fdt-sweep can use has code for compute capability 3.7"),
        (card((9, 0), 13000, ""), "compute capability 9.0 is cu130"),
        (card(None, 0), ""),
    ],
)
def test_the_build_that_fits_is_named(device: Device, advice: str) -> None:
    found = build_advice(device)
    assert (advice in found) if advice else (found == "")


def test_the_description_shows_what_was_compared() -> None:
    shown = description(card((7, 0), 12040, fault="CUDA error: no kernel image is available", exclusive=True))
    assert shown == (
        "CUDA device 0 (a card): compute capability 7.0, driver for CUDA 12.4, "
        "torch for CUDA 13.0 with sm_75 sm_80 sm_86 sm_90 sm_100 sm_120, one process at a time, "
        "CUDA error: no kernel image is available"
    )
