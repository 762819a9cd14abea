"""A training that is stopped or killed resumes bit for bit from its checkpoint."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from fdt_core.training import learner
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.learner import Learner
from fdt_core.training.random_streams import stream_seed
from fdt_core.training.trainer import Drained, Training
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.training.killable_training import SLOW_SECONDS
from tests.fdt_core.trials import (
    MODERN,
    lasting,
    on_cpu,
    same_tensors,
    small_data,
    small_spec,
    stop_at_batch,
    train,
    train_until_killed,
    weights,
)

FAMILIES = ("vgg11", "resnet18")
EACH_FAMILY = ("vgg11", pytest.param("resnet18", marks=pytest.mark.trainer))
RECIPES: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "modern": MODERN,
}
KILLS = ("batch:7", "write:1", "epoch:1")


def ticking_clock() -> Callable[[], float]:
    """A clock that advances by one second each time it is read."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.mark.parametrize("model", EACH_FAMILY)
@pytest.mark.parametrize("recipe", RECIPES)
def test_stopped_and_resumed_equals_undisturbed(tmp_path: Path, model: str, recipe: str) -> None:
    spec = small_spec(model, **RECIPES[recipe])
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, checkpoint_interval=3600, should_stop=stop_at_batch(9))
    resumed = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert len(resumed.history) == 1, "an interruption with notice costs at most the current epoch"
    assert [record.epoch for record in resumed.epochs()] == [2, 3]
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))
    assert resumed.result().interruptions == 1


@pytest.mark.trainer
@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_killed_and_resumed_several_times_equals_undisturbed(tmp_path: Path, model: str, recipe: str) -> None:
    spec = small_spec(model, **RECIPES[recipe])
    for point in KILLS:
        train_until_killed(spec, tmp_path, point)
    resumed = train(spec, checkpoints=TrialCheckpoints(tmp_path))
    undisturbed = train(spec)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))
    assert resumed.result().interruptions == len(KILLS)


@pytest.mark.trainer
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_of_the_writing_and_resumed_equals_undisturbed(tmp_path: Path, seed: int) -> None:
    spec, moments = small_spec(epochs=12), random.Random(seed)
    for _ in range(2):
        train_until_killed(spec, tmp_path, f"moment:{moments.uniform(0, SLOW_SECONDS):.3f}")
    resumed = train(spec, checkpoints=TrialCheckpoints(tmp_path), checkpoint_interval=0)
    undisturbed = train(spec)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))
    assert resumed.result().interruptions == 2


def test_a_finished_trial_has_nothing_left_to_train_and_the_same_result(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(epochs=2), TrialCheckpoints(tmp_path / "trial")
    first = train(spec, checkpoints=checkpoints, checkpoint_interval=3600)
    again = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert list(again.epochs()) == []
    assert again.result() == first.result()


def test_a_stop_in_the_next_epoch_saves_the_unsaved_state_of_the_last(tmp_path: Path) -> None:
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    training = Training(
        small_spec(),
        on_cpu(),
        device="cpu",
        checkpoints=checkpoints,
        checkpoint_interval=3600,
        should_stop=stop_at_batch(14),
    )
    epochs = training.epochs()
    assert [next(epochs).epoch, next(epochs).epoch] == [1, 2]
    assert not list(checkpoints.directory.glob("working-*")), "the interval has not passed"
    with pytest.raises(Drained):
        next(epochs)
    assert len(Training(small_spec(), on_cpu(), device="cpu", checkpoints=checkpoints).history) == 2


def test_should_stop_gets_the_seconds_to_the_end_of_the_epoch() -> None:
    given: list[float] = []

    def record(seconds: float) -> bool:
        given.append(seconds)
        return False

    train(small_spec(epochs=2), should_stop=record, clock=ticking_clock())
    first_epoch, second_epoch = given[:6], given[6:]
    done = [32 / 150, 64 / 150, 96 / 150, 128 / 150, 1]  # before each batch but the first, and before the test batch
    expected = [elapsed / part - elapsed for elapsed, part in enumerate(done, start=2)]
    assert first_epoch == [math.inf, *(pytest.approx(seconds) for seconds in expected)]
    assert second_epoch == [6, 5, 4, 3, 2, 1], "the first epoch took 7 seconds"


def test_a_checkpoint_is_written_when_the_interval_has_passed(tmp_path: Path) -> None:
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    seconds = 12  # longer than one epoch, which reads the clock 9 times, and shorter than two
    training = Training(
        small_spec(epochs=5),
        on_cpu(),
        device="cpu",
        checkpoints=checkpoints,
        checkpoint_interval=seconds,
        clock=ticking_clock(),
    )
    saved = []
    for _ in training.epochs():
        training.close()  # waits for what is being written, as nothing else does
        saved.append([path.name[:14] for path in sorted(checkpoints.directory.glob("working-*"))])
    assert saved == [
        [],
        ["working-000002"],
        ["working-000002"],
        ["working-000002", "working-000004"],
        ["working-000004", "working-000005"],
    ]


def test_a_checkpoint_of_another_trial_is_not_resumed(tmp_path: Path) -> None:
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    train(small_spec(epochs=1), checkpoints=checkpoints)
    other = Training(small_spec(epochs=1, seed=1), on_cpu(), device="cpu", checkpoints=checkpoints)
    assert other.history == ()


def test_the_checkpoint_holds_the_averaged_and_the_trained_weights(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(epochs=2, **MODERN), TrialCheckpoints(tmp_path / "trial", keep="all")
    training = train(spec, checkpoints=checkpoints, checkpoint_interval=0)
    identity = f"{spec.to_json()} {small_data().digest}"
    state = checkpoints.load(identity)
    assert state is not None
    assert same_tensors(state["average"], weights(training))
    assert not same_tensors(state["average"], state["network"])
    kept = torch.load(checkpoints.directory / "epoch-000002.pt", weights_only=True)["network"]
    assert same_tensors(kept, state["average"])


def test_a_checkpoint_of_a_plain_recipe_holds_what_it_held_in_version_0_1(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(epochs=1), TrialCheckpoints(tmp_path / "trial")
    train(spec, checkpoints=checkpoints, checkpoint_interval=0)
    state = checkpoints.load(f"{spec.to_json()} {small_data().digest}")
    assert state is not None
    assert state.keys() == {
        *("identity", "epoch", "status", "history", "peak_memory_mb", "best_weights"),
        *("network", "optimiser"),
    }


class Dropping(nn.Module):
    """A network with layers that draw from torch's global generator in training: stochastic depth and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 16), nn.Linear(16, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.first(pixels.mean((2, 3)))
        features = features + stochastic_depth(F.relu(features), p=0.5, mode="row", training=self.training)
        output: Tensor = self.second(F.dropout(features, training=self.training))
        return output


def dropping_network(spec: TrialSpec) -> nn.Module:
    torch.manual_seed(spec.seed)
    return Dropping()


def test_a_network_with_dropout_and_stochastic_depth_resumes_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "initial_network", dropping_network)
    undisturbed = train(small_spec(**MODERN))
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(small_spec(**MODERN), checkpoints=checkpoints, checkpoint_interval=0, should_stop=stop_at_batch(10))
    torch.rand(5)
    resumed = train(small_spec(**MODERN), checkpoints=checkpoints)
    assert resumed.result().interruptions == 1
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))


def test_the_generator_of_a_gpu_gets_the_seed_of_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    trained = Learner(small_spec(), on_cpu())
    seeds.clear()
    for epoch in (1, 2):
        trained.train(epoch, lambda part: None)
    assert seeds == [stream_seed(0, 1, "model"), stream_seed(0, 2, "model")]
