"""A whole step on an imagined CUDA device: torch's fake tensors have a device and a shape, but no values.

These tests need no GPU. They replace the backward pass (its engine needs a real device), the fused optimiser and pinned
memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from packaging.version import Version
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode, unset_fake_temporarily

from fdt_core.training import learner as learner_module
from fdt_core.training.batch_metrics import read_scores
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.initialisation import initial_network
from fdt_core.training.learner import Learner
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.training.imagined_cuda import ImaginedCuda
from tests.fdt_core.training.step_recorder import StepRecorder
from tests.fdt_core.trials import MODERN, small_data, small_spec

pytestmark = [
    # Copying a network asks each buffer for the address of its data; fake ones have none.
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning"),
    pytest.mark.trainer,
    pytest.mark.skipif(
        Version(torch.__version__) < Version("2.14"),
        reason="torch 2.8 queries the driver for imagined devices too: needs torch 2.14, with which it was tested",
    ),
]

RECIPES: dict[str, dict[str, Any]] = {
    "fp32": {},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "clipping": {"gradient_clip": 1.0},
    "smoothing": {"label_smoothing": 0.1},
    "contiguous": {"channels_last": False},
    "adamw": {"optimiser": "adamw", "decay_norm_and_bias": False},
    "average": {"ema": 0.999},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "mixed": {"mixup": 0.4, "cutmix": 1.0, "channels_last": False},
    "erasing": {"random_erasing": 0.5},
    "resized": {"crop": "random_resized"},
    "modern": {name: value for name, value in MODERN.items() if name != "schedule"},
    "everything": {"precision": "bf16", "gradient_clip": 1.0, "label_smoothing": 0.1, "nesterov": True},
}
FUSED = {"sgd": "aten._fused_sgd_.default", "adamw": "aten._fused_adamw_.default"}
FOR_GRAPH = {"sgd": "aten._fused_sgd_.tensor_lr", "adamw": "aten._fused_adamw_.tensor_lr"}
PINNED = "aten.clone.default"  # in place of pin_memory
GATHERED = ["aten.slice.Tensor", "aten.index_select.default", "aten.index_select.default"]
SENT = ("aten._to_copy.default", "aten.to.dtype_layout")  # in training, in evaluation


@pytest.fixture(autouse=True)
def imagined_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fake = FakeTensorMode(allow_non_fake_inputs=True)

    def real_network(spec: TrialSpec) -> nn.Module:
        with unset_fake_temporarily():
            return initial_network(spec)

    monkeypatch.setattr(learner_module, "initial_network", real_network)
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    # Without these two, torch disables autocast on machines without CUDA.
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    ImaginedCuda(monkeypatch)
    with fake:
        yield


def imagined_learner(monkeypatch: pytest.MonkeyPatch, memory_limit: int = 10**9, **recipe: Any) -> Learner:
    data = DeviceDataset(small_data(train=180, test=600), "cuda", memory_limit=memory_limit)
    found = Learner(small_spec("resnet18", schedule="one_cycle", validation=0.1, **recipe), data)

    def backward(loss: Tensor) -> None:
        assert loss.shape == ()
        for parameter in found.network.parameters():
            parameter.grad = torch.empty_like(parameter)

    monkeypatch.setattr(torch.autograd, "backward", backward)
    return found


def recorded_passes(learner: Learner) -> dict[str, StepRecorder]:
    skipped = frozenset((*FUSED.values(), *FOR_GRAPH.values()))
    recorders = {name: StepRecorder(skipped=skipped) for name in ("train", "test", "validation")}
    with recorders["train"] as recorder:
        learner.train(1, recorder.start_step)
    for which in ("test", "validation"):
        with recorders[which] as recorder:
            learner.evaluate(which, recorder.start_step)
    return recorders


def assert_equal_steps(passes: dict[str, StepRecorder]) -> None:
    train, test, validation = (passes[name].steps for name in ("train", "test", "validation"))
    assert (len(train), len(test), len(validation)) == (6, 3, 1)
    assert train[2] == train[3] == train[4], "the first two steps create what is kept, the last batch is smaller"
    assert test[0] == test[1]


@pytest.mark.parametrize("name", RECIPES)
def test_every_step_runs_the_same_operations_on_the_device_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = recorded_passes(imagined_learner(monkeypatch, **RECIPES[name]))
    assert [operation for recorder in passes.values() for operation in recorder.beside("cuda")] == []
    assert_equal_steps(passes)


@pytest.mark.parametrize("name", ["fp32", "everything", "modern"])
def test_streamed_batches_are_sent_without_waiting_and_nothing_comes_back(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = recorded_passes(imagined_learner(monkeypatch, memory_limit=0, **RECIPES[name]))
    assert_equal_steps(passes)
    for recorder in passes.values():
        for step in recorder.steps:
            on_host = [operation for operation in step if "cpu" in operation.devices()]
            assert all(operation.reads() == {"cpu"} for operation in on_host)
            sent = [operation for operation in on_host if operation.name in SENT]
            assert all(operation.inputs[1].get("non_blocking") for operation in sent)
            others = [operation.name for operation in on_host if operation.name not in SENT]
            assert (others, len(sent)) == ([*GATHERED, *[PINNED] * 2], 2)


def test_the_steps_follow_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {}
    for name, recipe in RECIPES.items():
        steps[name] = recorded_passes(imagined_learner(monkeypatch, **recipe))["train"].steps[2]
        convolved = [step.inputs[0][0].dtype for step in steps[name] if step.name == "aten.convolution.default"]
        assert len(convolved) == 20
        assert set(convolved) == {torch.bfloat16 if recipe.get("precision") == "bf16" else torch.float32}
        fused = FUSED[recipe.get("optimiser", "sgd")]
        assert [step.inputs[1]["lr"] for step in steps[name] if step.name in FUSED.values()] == ["learning rate"] * 2
        assert [step.name for step in steps[name] if step.name in FUSED.values()] == [fused] * 2
        assert torch.backends.cudnn.allow_tf32 == (recipe.get("precision") == "tf32")
    assert not [step for step in steps["fp32"] if "vector_norm" in step.name]
    assert [step for step in steps["clipping"] if "vector_norm" in step.name]
    assert len(steps["smoothing"]) > len(steps["fp32"])
    averaged = [step for step in steps["average"] if step.name == "aten._foreach_lerp_.Scalar"]
    assert len(averaged) == 1, "one operation for all tensors of the network"
    assert steps["mixup"] == steps["cutmix"]


@pytest.mark.parametrize("name", ["fp32", "everything", "modern"])
def test_a_step_for_a_graph_reads_what_differs_from_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdt_core.training.cuda_graph.captured", lambda function: function)
    recipe = RECIPES[name]
    learner = imagined_learner(monkeypatch, cuda_graph=True, **recipe)
    recorded_passes(learner)
    passes = recorded_passes(learner)
    assert [operation for recorder in passes.values() for operation in recorder.beside("cuda")] == []
    train = passes["train"].steps
    assert train[0] == train[1] == train[2] == train[3] == train[4], "with every scalar but what is written before"
    fused = [step for step in train[0] if step.name == FOR_GRAPH[recipe.get("optimiser", "sgd")]]
    assert [step.inputs[1]["lr"].device for step in fused] == ["cuda"] * 2
    names = [step.name for step in train[0]]
    assert names.count("aten.fill_.Scalar") == (2 if recipe.get("ema") else 1), "the learning rate and the average"
    assert "aten._foreach_lerp_.Scalar" not in names


def test_fake_tensors_do_not_allow_reading_a_value_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = imagined_learner(monkeypatch).evaluate("test", lambda part: None)
    with pytest.raises(DataDependentOutputException):
        read_scores([metrics])
