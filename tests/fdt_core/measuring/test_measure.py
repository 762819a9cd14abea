"""Measurements follow the network: latency, throughput, memory and settings."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fdt_core.compute.numerics import Precision
from fdt_core.image import ImageShape
from fdt_core.measuring.measure import measure
from fdt_core.measuring.setting import MeasurementSetting
from tests.fdt_core.processors import HAS_AVX512, like
from tests.fdt_core.trials import SlowStarter

pytestmark = pytest.mark.trainer


class Sleeper(nn.Module):
    """Takes 5 ms, and holds 40 MB while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.005)
        held = torch.ones(10_000_000)
        return self.out(x.mean((2, 3))) + held[0]  # type: ignore[no-any-return]


def measured(build: Callable[[], nn.Module], precision: Precision = "fp32") -> dict[str, Any]:
    return measure(build, ImageShape(), MeasurementSetting(device="cpu", threads=1, precision=precision))


def test_latency_throughput_and_memory_are_those_of_the_network() -> None:
    # In a fresh process: reusing memory that other tests have freed would not raise the peak.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        row = processes.submit(measured, Sleeper).result()
    for batch in (1, 16, 128):
        assert 5 <= row[f"latency_ms_b{batch}_p10"] <= row[f"latency_ms_b{batch}_median"]
        assert row[f"latency_ms_b{batch}_median"] <= row[f"latency_ms_b{batch}_p90"]
        assert row[f"images_per_second_b{batch}"] == pytest.approx(1e3 * batch / row[f"latency_ms_b{batch}_median"])
        assert row[f"images_per_second_b{batch}"] <= 200 * batch
    assert 35 < row["inference_peak_memory_mb"] < 150
    assert row["training_peak_memory_mb"] >= row["inference_peak_memory_mb"]


def test_the_peak_is_that_of_a_run_after_warm_up() -> None:
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        row = processes.submit(measured, SlowStarter).result()
    assert row["inference_peak_memory_mb"] < 200
    assert row["training_peak_memory_mb"] < 200


@pytest.mark.skipif(not HAS_AVX512, reason="this processor uses these kernels anyway")
def test_networks_of_users_are_trained_with_correct_kernels() -> None:
    program = (
        "from torch import nn; from fdt_core.image import ImageShape; from fdt_core.measuring.measure import measure;"
        "from fdt_core.measuring.setting import MeasurementSetting;"
        "build = lambda: nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.Conv2d(4, 8, 1, stride=2), nn.Flatten(),"
        " nn.Linear(512, 10));"
        "print(measure(build, ImageShape(), MeasurementSetting(device='cpu', threads=1))['training_peak_memory_mb'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], env=like("AVX2"), capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr


def test_a_measurement_sets_the_switches_that_training_sets() -> None:
    torch.set_num_threads(1)
    row = measured(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 10)), precision="bf16"
    )
    assert (row["device"], row["threads"], row["precision"]) == ("cpu", 1, "bf16")
