"""What only a CUDA device can show: equal bits, no waiting, streaming, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fdt_core.checkpoint import TrialCheckpoints
from fdt_core.device_dataset import DeviceDataset
from fdt_core.learner import Learner
from fdt_core.network import initial_network
from fdt_core.process import prepare_process
from fdt_core.profile import measure
from fdt_core.spec import TrialSpec
from fdt_core.train import Drained, Training
from tests.fdt_core.trials import lasting, same_tensors, small_data, small_spec, stop_at_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]
prepare_process(1)


def train(spec: TrialSpec, **options: Any) -> Training:
    training = Training(spec, DeviceDataset(small_data(), "cuda"), device="cuda", **options)
    list(training.epochs())
    return training


@pytest.mark.parametrize("model", ["vgg11", "resnet18"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_deterministic_trial_resumes_to_the_bit(tmp_path: Path, model: str, precision: str) -> None:
    spec = small_spec(model, precision=precision, deterministic=True)
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, should_stop=stop_at_batch(9))
    resumed = train(spec, checkpoints=checkpoints)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(resumed.network.state_dict(), undisturbed.network.state_dict())


def test_the_step_loop_never_waits_for_the_device() -> None:
    learner = Learner(small_spec(gradient_clip=1.0), DeviceDataset(small_data(), "cuda"))
    learner.train(1, lambda part: None)

    def before_batch(part_done: float) -> None:
        torch.cuda.set_sync_debug_mode("error")

    try:
        learner.train(2, before_batch)
        learner.evaluate("test", before_batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_streamed_data_give_the_same_bits_as_resident_data() -> None:
    spec = small_spec(deterministic=True)
    streamed = Training(spec, DeviceDataset(small_data(), "cuda", memory_limit=0), device="cuda")
    list(streamed.epochs())
    assert same_tensors(streamed.network.state_dict(), train(spec).network.state_dict())


def test_the_same_draws_and_weights_as_on_the_cpu() -> None:
    on_gpu = Learner(small_spec(learning_rate=0.01), DeviceDataset(small_data(), "cuda"))
    on_cpu = Learner(small_spec(learning_rate=0.01), DeviceDataset(small_data(), "cpu"))
    losses = [learner.train(1, lambda part: None).losses() for learner in (on_gpu, on_cpu)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_profile_measures_the_gpu() -> None:
    spec = small_spec()
    row = measure(lambda: initial_network(spec), spec.image, device="cuda", threads=1)
    assert row["device_name"] == torch.cuda.get_device_name()
    assert 0 < row["inference_peak_memory_mb"] < row["training_peak_memory_mb"]
