"""Traced networks train, and resume bit for bit after an interruption."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing.traced_network import TracedNetwork, traced_network
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.trainer import Drained, Training
from fdt_core.trial.recipe import recipe_for
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.trials import (
    MODERN,
    lasting,
    on_cpu,
    same_tensors,
    small_data,
    stop_at_batch,
    train,
    train_until_killed,
    weights,
)

FAMILIES = (
    ("timm/test_resnet", 0.25),
    ("timm/mobilenetv2_050", 0.25),
    ("timm/test_convnext", 0.25),
    ("timm/test_efficientnet", 0.5),
    ("torchvision/regnet_y_400mf", 0.25),
    ("torchvision/densenet121", 0.25),
)

OWN = """\
from torch import nn


class Small(nn.Sequential):
    def __init__(self, num_classes: int, filters: int = 8) -> None:
        super().__init__(
            nn.Conv2d(3, filters, 3, stride=2), nn.BatchNorm2d(filters), nn.ReLU(), nn.Dropout(0.1),
            nn.Conv2d(filters, 16, 3, stride=2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, num_classes),
        )
"""

IMAGE = small_data().info.image


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's network in a folder on the import path."""
    (tmp_path / "own_small_network.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_small_network:Small"
    del sys.modules["own_small_network"]


def spec_of(network: TracedNetwork, width: float, **recipe: Any) -> TrialSpec:
    """Two epochs of the small data, with five batches each."""
    defaults = {"base": "paper", "epochs": 2, "batch_size": 32, "learning_rate": 0.05, "weight_decay": 5e-4}
    info = small_data().info
    return TrialSpec(
        model=network.definition.label,
        traced=network.pinned,
        width=width,
        widths=network.choice.base_filters(width),
        dataset=info.name,
        image=info.image,
        seed=0,
        recipe=recipe_for(defaults | recipe, info.name),
        threads=1,
    )


def require_equal_resumption(spec: TrialSpec, folder: Path, stop_at: int, epochs_done: int) -> None:
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(folder)
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, checkpoint_interval=3600, should_stop=stop_at_batch(stop_at))
    resumed = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert len(resumed.history) == epochs_done
    assert [record.epoch for record in resumed.epochs()] == list(range(epochs_done + 1, 3))
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))


@pytest.mark.trainer
@pytest.mark.parametrize(("stop_at", "epochs_done"), [(2, 0), (7, 1), (9, 1)])
@pytest.mark.parametrize(("name", "width"), FAMILIES, ids=[name for name, _ in FAMILIES])
def test_stopped_and_resumed_equals_undisturbed(
    tmp_path: Path, name: str, width: float, stop_at: int, epochs_done: int
) -> None:
    network = traced_network(ModelDefinition(name=name), IMAGE)
    require_equal_resumption(spec_of(network, width), tmp_path / "trial", stop_at, epochs_done)


@pytest.mark.trainer
@pytest.mark.parametrize(
    "recipe", [pytest.param({}, marks=pytest.mark.slow, id="paper"), pytest.param(MODERN, id="modern")]
)
@pytest.mark.parametrize(("name", "width"), FAMILIES, ids=[name for name, _ in FAMILIES])
def test_killed_in_an_epoch_and_at_its_end_and_resumed_equals_undisturbed(
    tmp_path: Path, name: str, width: float, recipe: dict[str, Any]
) -> None:
    spec = spec_of(traced_network(ModelDefinition(name=name), IMAGE), width, **recipe)
    for point in ("batch:3", "epoch:1", "batch:3"):
        train_until_killed(spec, tmp_path, point)
    undisturbed, resumed = train(spec), train(spec, checkpoints=TrialCheckpoints(tmp_path))
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))


@pytest.mark.trainer
def test_a_users_own_module_trains_and_resumes(tmp_path: Path, own_module: str) -> None:
    network = traced_network(ModelDefinition(name=own_module, arguments={"filters": 12}), ImageShape())
    assert network.choice.base_filters(1.0) == (12, 16)
    require_equal_resumption(spec_of(network, 1.0), tmp_path / "trial", stop_at=9, epochs_done=1)


@pytest.mark.trainer
def test_a_trial_survives_its_plan_file(own_module: str) -> None:
    spec = spec_of(traced_network(ModelDefinition(name=own_module), ImageShape()), 1.0)
    read = TrialSpec.from_json(spec.to_json())
    assert (read, read.trial_id) == (spec, spec.trial_id)
    assert same_tensors(weights(train(read)), weights(train(spec)))
