"""Several trials on one GPU: each process with a share of its memory, all of them at the same time."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
import torch

from fdt_core.device import cap_memory
from tests.orchestrator.engine import SWEEP, Place, wait_until

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"
)

# Takes a fifth of the GPU's memory, once within its share and once beyond it.
TAKES_A_FIFTH = """
import sys, torch
from fdt_core.device import cap_memory
cap_memory("cuda", float(sys.argv[1]))
total = torch.cuda.get_device_properties(0).total_memory
try:
    torch.empty(total // 5, dtype=torch.uint8, device="cuda")
except torch.OutOfMemoryError:
    sys.exit(7)
"""


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:1", 1)])
def test_the_share_is_asked_of_the_right_device(monkeypatch: pytest.MonkeyPatch, device: str, index: int) -> None:
    asked: list[tuple[float, int]] = []
    monkeypatch.setattr("torch.cuda.memory._lazy_init", lambda: None)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch._C._cuda_setMemoryFraction", lambda *given: asked.append(given), raising=False)
    cap_memory(device, 1 / 3)
    cap_memory("cpu", 1 / 3)
    assert asked == [(1 / 3, index)]


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("share", "status"), [("0.5", 0), ("0.1", 7)])
def test_a_process_runs_out_of_memory_at_its_own_share(share: str, status: int) -> None:
    command = [sys.executable, "-c", TAKES_A_FIFTH, share]
    assert subprocess.run(command, timeout=120, check=False).returncode == status


@pytest.mark.gpu
@pytest.mark.engine
@needs_gpu
def test_three_trials_share_a_gpu_and_give_the_rows_of_trials_alone(place: Place) -> None:
    text = SWEEP.replace("flip: false", "flip: false, deterministic: true").replace("epochs: 8", "epochs: 30")
    place.sweep_file(text + "resources: {trials_per_gpu: 3}\n")
    launched = place.start("--set", "cluster.gpus_per_node=1", "--set", "cluster.device=cuda")
    wait_until(lambda: len([trial for trial in place.status().get("running", []) if trial["epoch"] >= 1]) == 3)
    output, _ = launched.communicate(timeout=300)
    assert launched.returncode == 0, output
    packed = pd.read_parquet(place.run / "results" / "trials").set_index("trial_id")
    place.sweep_file(text.replace("name: small", "name: alone"))
    place.launch("--set", "cluster.gpus_per_node=1", "--set", "cluster.device=cuda")
    alone = pd.read_parquet(place.run.parent / "alone" / "results" / "trials").set_index("trial_id")
    assert packed.final_train_loss.to_dict() == alone.final_train_loss.to_dict()
