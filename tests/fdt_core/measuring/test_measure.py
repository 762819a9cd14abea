"""Measured costs: columns, plausibility, and that they follow what they measure."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fdt_core.image import ImageShape
from fdt_core.measuring.measure import measure
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


def measured(make: Any, **options: Any) -> dict[str, Any]:
    return measure(make, ImageShape(), device="cpu", threads=1, **options)


def test_latency_throughput_and_memory_are_those_of_the_network() -> None:
    # In a process of its own: what other tests have freed would be taken again without a rise of the peak.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        row = processes.submit(measured, Sleeper).result()
    for batch in (1, 16, 128):
        assert 5 <= row[f"latency_ms_b{batch}_p10"] <= row[f"latency_ms_b{batch}_median"]
        assert row[f"latency_ms_b{batch}_median"] <= row[f"latency_ms_b{batch}_p90"]
        assert row[f"images_per_second_b{batch}"] == pytest.approx(1e3 * batch / row[f"latency_ms_b{batch}_median"])
        assert row[f"images_per_second_b{batch}"] <= 200 * batch
    assert 35 < row["inference_peak_memory_mb"] < 150
    assert row["training_peak_memory_mb"] >= row["inference_peak_memory_mb"]


def test_the_peak_is_that_of_a_run_after_the_warm_up() -> None:
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        row = processes.submit(measured, SlowStarter).result()
    assert row["inference_peak_memory_mb"] < 200
    assert row["training_peak_memory_mb"] < 200


@pytest.mark.skipif(not HAS_AVX512, reason="is what this processor does by default")
def test_networks_of_users_are_trained_with_right_kernels() -> None:
    program = (
        "from torch import nn; from fdt_core.image import ImageShape; from fdt_core.measuring.measure import measure;"
        "make = lambda: nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.Conv2d(4, 8, 1, stride=2), nn.Flatten(),"
        " nn.Linear(512, 10));"
        "print(measure(make, ImageShape(), device='cpu', threads=1)['training_peak_memory_mb'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], env=like("AVX2"), capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr


def test_the_same_switches_as_in_training_are_set() -> None:
    torch.set_num_threads(1)
    row = measured(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 10)), precision="bf16"
    )
    assert (row["device"], row["threads"], row["precision"]) == ("cpu", 1, "bf16")
