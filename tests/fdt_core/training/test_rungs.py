"""A candidate of the tuning trains to a rung, and goes on from there as if it had never stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdt_core.errors import UsageError
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.trainer import Training
from fdt_core.trial.recipe import recipe_for
from tests.fdt_core.trials import lasting, on_cpu, same_tensors, small_data, small_spec, train, weights

TUNING: dict[str, Any] = {"validation": 0.2, "evaluate_test": False, "evaluate_every": 3, "evaluate_at": [1]}


@pytest.mark.trainer
def test_a_training_that_goes_on_from_a_rung_equals_an_undisturbed_one(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(**TUNING), TrialCheckpoints(tmp_path / "trial")
    undisturbed = train(spec)
    stopped = train(spec, checkpoints=checkpoints, checkpoint_interval=3600, until=1)
    assert stopped.result().status == "stopped"
    assert lasting(stopped.history) == lasting(undisturbed.history[:1])
    resumed = train(spec, checkpoints=checkpoints, until=3)
    assert resumed.result().status == "done"
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))


def test_a_rung_that_a_training_is_past_already_is_reached_at_once(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(**TUNING), TrialCheckpoints(tmp_path / "trial")
    train(spec, checkpoints=checkpoints, until=2)
    again = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints, until=1)
    assert list(again.epochs()) == []
    assert again.result().status == "stopped"
    assert len(again.result().history) == 2


def test_held_out_images_are_evaluated_at_the_rungs_and_at_the_end_and_test_images_never() -> None:
    history = train(small_spec(**TUNING)).history
    assert [record.validation_accuracy is not None for record in history] == [True, False, True]
    assert {record.test_accuracy for record in history} == {None}


def test_what_the_test_labels_are_changes_nothing_in_a_training_that_never_looks_at_them() -> None:
    clean = small_data()
    poisoned = dataclasses.replace(clean, test_labels=np.roll(clean.test_labels, 1), test_images=clean.test_images // 2)
    spec = small_spec(**TUNING)
    histories = []
    for data in (clean, poisoned):
        training = Training(spec, on_cpu(data), device="cpu")
        histories.append(lasting(tuple(training.epochs())))
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"evaluate_test": False}, "without evaluate_test, validation must be above 0"),
        ({"evaluate_at": [3, 1]}, "evaluate_at must rise strictly"),
    ],
)
def test_a_recipe_evaluates_something_and_names_epochs_in_order(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe_for(fields, "digits")
