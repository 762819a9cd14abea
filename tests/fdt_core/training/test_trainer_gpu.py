"""What only a CUDA device can show: bit-identical results, no waiting, streaming, memory."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fdt_core.compute.process import compiler_caches, prepare_process
from fdt_core.image import ImageShape
from fdt_core.measuring.measure import measure
from fdt_core.measuring.setting import MeasurementSetting
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.initialisation import initial_network
from fdt_core.training.learner import BeforeBatch, Learner
from fdt_core.training.trainer import Drained, Training
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.training.step_recorder import StepRecorder
from tests.fdt_core.trials import MODERN, SlowStarter, lasting, same_tensors, small_data, small_spec, stop_at_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]
prepare_process(1)
RECIPES: list[dict[str, Any]] = [
    {},
    {"precision": "tf32", "gradient_clip": 1.0},
    {"precision": "bf16", "label_smoothing": 0.1, "nesterov": True},
    {name: value for name, value in MODERN.items() if name != "schedule"},
]
GRAPHED = [recipe | {"cuda_graph": True} for recipe in RECIPES]


def train(spec: TrialSpec, **options: Any) -> Training:
    training = Training(spec, DeviceDataset(small_data(), "cuda"), device="cuda", **options)
    list(training.epochs())
    return training


@pytest.mark.parametrize("model", ["vgg11", "resnet18"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_deterministic_trial_resumes_bit_for_bit(tmp_path: Path, model: str, precision: str) -> None:
    spec = small_spec(model, precision=precision, deterministic=True)
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, should_stop=stop_at_batch(9))
    resumed = train(spec, checkpoints=checkpoints)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(resumed.network.state_dict(), undisturbed.network.state_dict())


def test_a_modern_trial_resumes_bit_for_bit(tmp_path: Path) -> None:
    spec = small_spec("resnet18", deterministic=True, **MODERN)
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, should_stop=stop_at_batch(9))
    resumed = train(spec, checkpoints=checkpoints)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(resumed.network.state_dict(), undisturbed.network.state_dict())


@contextlib.contextmanager
def waiting_is_an_error() -> Iterator[BeforeBatch]:
    """Gives a `before_batch`; after its first call, anything that makes the host wait for the device raises."""
    try:
        yield lambda part_done: torch.cuda.set_sync_debug_mode("error")
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("memory_limit", [None, 0])
@pytest.mark.parametrize("recipe", [*RECIPES, *GRAPHED], ids=str)
def test_the_step_loop_never_waits_for_the_device(recipe: dict[str, Any], memory_limit: int | None) -> None:
    data = DeviceDataset(small_data(test=600), "cuda", memory_limit=memory_limit)
    learner = Learner(small_spec("resnet18", schedule="one_cycle", **recipe), data)
    learner.train(1, lambda part: None)  # the first step allocates memory and selects kernels
    with waiting_is_an_error() as before_batch:
        learner.train(2, before_batch)
    with waiting_is_an_error() as before_batch:
        learner.evaluate("test", before_batch)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_step_runs_the_same_operations_on_the_device_only(recipe: dict[str, Any]) -> None:
    data = DeviceDataset(small_data(train=180), "cuda")
    learner = Learner(small_spec("resnet18", schedule="one_cycle", **recipe), data)
    with StepRecorder() as recorder:
        learner.train(1, recorder.start_step)
    assert recorder.beside("cuda") == []
    _, _, third, fourth, fifth, _ = recorder.steps
    assert third == fourth == fifth, "the first two steps create what is kept, the last batch is smaller"


def test_streamed_data_give_the_same_bits_as_resident_data() -> None:
    spec = small_spec(deterministic=True)
    streamed = Training(spec, DeviceDataset(small_data(), "cuda", memory_limit=0), device="cuda")
    list(streamed.epochs())
    assert same_tensors(streamed.network.state_dict(), train(spec).network.state_dict())


@pytest.mark.parametrize(("recipe", "tolerance"), [({"learning_rate": 0.01}, 1e-3), (MODERN, 1e-2)])
def test_the_same_draws_and_weights_as_on_the_cpu(recipe: dict[str, Any], tolerance: float) -> None:
    on_gpu = Learner(small_spec(**recipe), DeviceDataset(small_data(), "cuda"))
    on_cpu = Learner(small_spec(**recipe), DeviceDataset(small_data(), "cpu"))
    losses = [learner.train(1, lambda part: None).losses() for learner in (on_gpu, on_cpu)]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)


@pytest.mark.skipif(shutil.which("cc") is None, reason="torch.compile needs a C compiler: apt-get install gcc")
def test_compiled_trials_of_one_process_stay_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in compiler_caches(tmp_path).items():
        monkeypatch.setenv(name, value)
    with torch._dynamo.config.patch(recompile_limit=2):
        for width in (0.0625, 0.125, 0.1875, 0.25):
            specs = (
                small_spec("resnet18", width=width, learning_rate=0.01, compile=compile) for compile in (True, False)
            )
            torch._dynamo.utils.counters.clear()
            compiled, eager = (Learner(spec, DeviceDataset(small_data(), "cuda")) for spec in specs)
            losses = [compiled.train(epoch, lambda part: None).losses() for epoch in (1, 2)]
            compiled.evaluate("test", lambda part: None)
            assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
            expected = [eager.train(epoch, lambda part: None).losses() for epoch in (1, 2)]
            assert losses[0] == pytest.approx(expected[0], rel=1e-2)
            with waiting_is_an_error() as before_batch:
                compiled.train(3, before_batch)
    assert list((tmp_path / "triton").iterdir())
    assert list((tmp_path / "inductor").iterdir())


def test_a_measured_peak_is_that_of_a_run_after_warm_up() -> None:
    row = measure(SlowStarter, ImageShape(), MeasurementSetting(device="cuda", threads=1))
    assert 0 < row["inference_peak_memory_mb"] < row["training_peak_memory_mb"] < 100


def test_a_measurement_is_of_the_gpu() -> None:
    spec = small_spec()
    row = measure(lambda: initial_network(spec), spec.image, MeasurementSetting(device="cuda", threads=1))
    assert row["device_name"] == torch.cuda.get_device_name()
    assert 0 < row["inference_peak_memory_mb"] < row["training_peak_memory_mb"]
