"""What only a CUDA device can show about graphs and streams: equal bits, resuming, memory, neighbours, no races."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fdt_core.compute.device import release_memory
from fdt_core.compute.process import compiler_caches, prepare_process
from fdt_core.errors import UsageError
from fdt_core.training import learner as learner_module
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.learner import Learner
from fdt_core.training.trainer import Drained, Training
from tests.fdt_core.trials import MODERN, lasting, same_tensors, small_data, small_spec, stop_at_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]
prepare_process(1)

EXACT: dict[str, Any] = {"deterministic": True, "learning_rate": 0.0625, "gamma": 0.5, "milestones": [1, 2]}
"""Learning rates that float32 holds: the graph's are the plain step's."""

RECIPES: dict[str, dict[str, Any]] = {
    "fp32": {},
    "tf32": {"precision": "tf32", "gradient_clip": 1.0},
    "bf16": {"precision": "bf16", "label_smoothing": 0.1, "nesterov": True},
    "mixed": {"mixup": 0.4, "cutmix": 1.0, "random_erasing": 0.5, "channels_last": False},
}
MIB = 2**20

# Trains two trials with the given field of the recipe, and prints a digest of their weights.
TRAINS = """
import hashlib, sys
from fdt_core.compute.process import prepare_process
prepare_process(1)
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from tests.fdt_core.trials import small_data, small_spec
data, digest = DeviceDataset(small_data(), "cuda"), hashlib.sha256()
for model in ("vgg11", "resnet18"):
    training = Training(small_spec(model, deterministic=True, **{sys.argv[1]: True}), data, device="cuda")
    list(training.epochs())
    for value in training.network.state_dict().values():
        digest.update(value.cpu().contiguous().numpy().tobytes())
print(digest.hexdigest())
"""


def on_gpu() -> DeviceDataset:
    return DeviceDataset(small_data(), "cuda")


def losses(learner: Learner, epochs: int = 3) -> list[float]:
    return [loss for epoch in range(1, epochs + 1) for loss in learner.train(epoch, lambda part: None).losses()]


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    yield
    release_memory("cuda")


@pytest.mark.parametrize("model", ["vgg11", "resnet18"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_graph_gives_the_losses_of_the_plain_step_to_the_bit(name: str, model: str) -> None:
    plain, graphed = (
        Learner(small_spec(model, cuda_graph=graph, **EXACT, **RECIPES[name]), on_gpu()) for graph in (False, True)
    )
    assert losses(graphed) == losses(plain)
    assert same_tensors(graphed.network.state_dict(), plain.network.state_dict())


def test_a_graph_with_averaged_weights_and_adamw_follows_the_plain_step() -> None:
    recipe = MODERN | {"deterministic": True}
    plain, graphed = (Learner(small_spec(cuda_graph=graph, **recipe), on_gpu()) for graph in (False, True))
    assert losses(graphed, 1) == pytest.approx(losses(plain, 1), rel=1e-3)
    tested = [learner.evaluate("test", lambda part: None).losses() for learner in (graphed, plain)]
    assert tested[0] == pytest.approx(tested[1], rel=1e-3)


@pytest.mark.parametrize("recipe", [*RECIPES.values(), MODERN], ids=str)
def test_a_trial_with_a_graph_resumes_bit_for_bit(tmp_path: Path, recipe: dict[str, Any]) -> None:
    spec, data = small_spec("resnet18", cuda_graph=True, deterministic=True, **recipe), on_gpu()
    undisturbed = Training(spec, data, device="cuda")
    list(undisturbed.epochs())
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        list(Training(spec, data, device="cuda", checkpoints=checkpoints, should_stop=stop_at_batch(9)).epochs())
    resumed = Training(spec, data, device="cuda", checkpoints=checkpoints)
    list(resumed.epochs())
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(resumed.network.state_dict(), undisturbed.network.state_dict())


class Dropping(nn.Module):
    """A network that draws from the generator of the device."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(3, 64), nn.Dropout(), nn.Linear(64, 10))

    def forward(self, pixels: Tensor) -> Tensor:
        output: Tensor = self.out(pixels.mean((2, 3)))
        return output


def test_dropout_in_a_graph_draws_what_it_draws_in_the_plain_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def built(spec: object) -> nn.Module:
        torch.manual_seed(0)
        return Dropping()

    monkeypatch.setattr(learner_module, "initial_network", built)
    plain, graphed = (Learner(small_spec(cuda_graph=graph, **EXACT), on_gpu()) for graph in (False, True))
    assert losses(graphed) == losses(plain)


class Reading(Dropping):
    """A network whose forward pass reads a value on the host."""

    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pixels) * (1.0 if pixels.sum().item() else 2.0)


def test_a_network_that_reads_on_the_host_is_refused_and_the_process_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(learner_module, "initial_network", lambda spec: Reading())
        with pytest.raises(UsageError, match="cannot be a CUDA graph"):
            losses(Learner(small_spec(cuda_graph=True), on_gpu()))
    assert len(losses(Learner(small_spec(), on_gpu()), 1)) == 5


@pytest.mark.skipif(shutil.which("cc") is None, reason="torch.compile needs a C compiler: apt-get install gcc")
def test_a_compiled_network_can_be_in_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in compiler_caches(tmp_path).items():
        monkeypatch.setenv(name, value)
    specs = (small_spec("resnet18", learning_rate=0.01, compile=both, cuda_graph=both) for both in (True, False))
    compiled, plain = (losses(Learner(spec, on_gpu()), 2) for spec in specs)
    assert compiled[:5] == pytest.approx(plain[:5], rel=1e-2)


def test_memory_stays_the_same_over_fifty_trials() -> None:
    data, used = on_gpu(), list[tuple[int, int, int]]()
    for seed in range(50):
        training = Training(small_spec(seed=seed, epochs=2, cuda_graph=True), data, device="cuda")
        list(training.epochs())
        del training
        gc.collect()
        release_memory("cuda")
        free, _total = torch.cuda.mem_get_info()
        used.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved(), -free))
    for early, late in zip(used[4], used[-1], strict=True):
        assert late <= early + 8 * MIB, used


def test_a_trial_with_a_graph_leaves_nothing_on_the_device() -> None:
    data = on_gpu()
    list(Training(small_spec(cuda_graph=True), data, device="cuda").epochs())  # libraries keep what they allocate
    gc.collect()
    release_memory("cuda")
    before = torch.cuda.memory_allocated()
    gc.disable()
    try:
        training = Training(small_spec("resnet18", width=0.25, cuda_graph=True), data, device="cuda")
        list(training.epochs())
        del training
        release_memory("cuda")
    finally:
        gc.enable()
    assert torch.cuda.memory_allocated() <= before + MIB


@pytest.mark.parametrize("graph", [False, True])
def test_a_checkpoint_that_is_written_while_the_next_epochs_train_is_that_of_its_epoch(
    tmp_path: Path, graph: bool
) -> None:
    spec, data = small_spec("resnet18", epochs=8, deterministic=True, cuda_graph=graph), on_gpu()
    undisturbed = Training(spec, data, device="cuda")
    expected = [
        {name: value.cpu() for name, value in undisturbed.network.state_dict().items()} for _ in undisturbed.epochs()
    ]
    checkpoints = TrialCheckpoints(tmp_path / "trial", keep="all")
    list(Training(spec, data, device="cuda", checkpoints=checkpoints, checkpoint_interval=0).epochs())
    for epoch, weights in enumerate(expected, start=1):
        kept = torch.load(checkpoints.directory / f"epoch-{epoch:06d}.pt", weights_only=True)["network"]
        assert same_tensors(kept, weights)


def test_snapshots_cost_the_memory_of_one_state(tmp_path: Path) -> None:
    spec, data = small_spec("resnet18", width=1.0, epochs=4), on_gpu()
    used = []
    for checkpoints in (None, TrialCheckpoints(tmp_path / "trial")):
        training = Training(spec, data, device="cuda", checkpoints=checkpoints, checkpoint_interval=0)
        list(training.epochs())
        used.append(torch.cuda.memory_allocated())
        state = training._learner.state()
        size = sum(value.nbytes for value in state["network"].values())
        del training, state
        release_memory("cuda")
    assert used[1] - used[0] == pytest.approx(2 * size, rel=0.02), "weights and momentum, once"


def started(field: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINS, field], stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )


def test_packed_neighbours_train_as_each_alone() -> None:
    alone = started("cuda_graph").communicate(timeout=300)[0]
    neighbours = [started("cuda_graph") for _ in range(4)]
    assert [each.communicate(timeout=300)[0] for each in neighbours] == [alone] * 4
    assert len(alone) == 65


def test_no_stream_overtakes_another() -> None:
    """The sanitizer of torch ends the process where two streams use the same memory without an order."""
    process = started("channels_last", TORCH_CUDA_SANITIZER="1")
    assert len(process.communicate(timeout=300)[0]) == 65
    assert process.returncode == 0
