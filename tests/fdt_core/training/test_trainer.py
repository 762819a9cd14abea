"""The trainer: faithful to a plain loop, resumable to the bit, and over when it should be."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import fdt_core
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.training.augmentation import draw_augmentation, draw_order
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.initialisation import initial_network
from fdt_core.training.learner import Learner
from fdt_core.training.trainer import Drained, Training, never
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.trials import lasting, on_cpu, same_tensors, small_data, small_spec, stop_at_batch

FAMILIES = ("vgg11", "resnet18")
EACH_FAMILY = ("vgg11", pytest.param("resnet18", marks=pytest.mark.trainer))
KILLS = ("batch:7", "write:1", "epoch:1")


def train(spec: TrialSpec, **options: Any) -> Training:
    training = Training(spec, on_cpu(), device="cpu", **options)
    for _ in training.epochs():
        pass
    return training


def weights(training: Training) -> dict[str, torch.Tensor]:
    return training.network.state_dict()


# Faithful


@pytest.mark.parametrize("model", EACH_FAMILY)
def test_twenty_steps_equal_a_plain_loop_with_the_same_batches(model: str) -> None:
    spec = small_spec(
        model,
        epochs=4,
        learning_rate=0.01,
        nesterov=True,
        weight_decay=1e-3,
        label_smoothing=0.1,
        milestones=[2],
        gradient_clip=1.0,
    )
    recipe, data = spec.recipe, small_data()
    learner = Learner(spec, on_cpu(data))
    ours = [loss for epoch in range(1, 5) for loss in learner.train(epoch, lambda part: None).losses()]

    network = initial_network(spec)
    optimiser = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=1e-3
    )
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    theirs = []
    for epoch in range(1, 5):
        order = draw_order(images=150, seed=0, epoch=epoch)
        draws = draw_augmentation(recipe, images=150, image_size=32, seed=0, epoch=epoch)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * (recipe.gamma if epoch > 2 else 1)
        for start in range(0, 150, 32):
            chosen = order[start : start + 32]
            images = torch.from_numpy(data.train_images)[chosen].permute(0, 3, 1, 2).float() / 255
            now, batch = draws.batch(start, 32), []
            for i, image in enumerate(images):
                places = (now.crop_y, now.crop_x, now.flip, now.hole_y, now.hole_x)
                top, left, mirrored, y, x = (int(drawn[i]) for drawn in places)
                pixels = F.pad(image, (4, 4, 4, 4))[:, top : top + 32, left : left + 32]
                pixels = pixels.flip(2) if mirrored else pixels
                pixels = (pixels - mean[0]) / std[0]
                pixels[:, max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] = 0
                batch.append(pixels)
            loss = F.cross_entropy(
                network(torch.stack(batch)), torch.from_numpy(data.train_labels)[chosen], label_smoothing=0.1
            )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            theirs.append(loss.item())
    assert len(ours) == 20
    assert ours == pytest.approx(theirs, rel=1e-4)


GOLDEN = {
    "vgg11": (
        *(2.3067324, 2.3001392, 2.3275533, 2.3188262, 2.3412797),
        *(2.2969337, 2.306632, 2.3174434, 2.3070245, 2.3126242),
        *(2.3083408, 2.3275712, 2.289444, 2.2922287, 2.3061566),
        *(2.3153145, 2.275218, 2.3021629, 2.3155711, 2.3041549),
    ),
    "resnet18": (
        *(2.3068213, 2.3187933, 2.3071582, 2.3044112, 2.3047547),
        *(2.2954662, 2.3070629, 2.3074539, 2.2907028, 2.3107154),
        *(2.3077295, 2.303164, 2.2829847, 2.2970626, 2.2884996),
        *(2.3055656, 2.2703826, 2.3059845, 2.2964313, 2.3259351),
    ),
}
"""Losses of the first 20 steps; with AVX-512, AVX2 and SSE kernels they agree to one part in 75,000."""


@pytest.mark.parametrize("model", EACH_FAMILY)
def test_the_numerics_are_as_ever(model: str) -> None:
    learner = Learner(small_spec(model, learning_rate=0.01), on_cpu())
    losses = [loss for epoch in range(1, 5) for loss in learner.train(epoch, lambda part: None).losses()]
    assert losses == pytest.approx(GOLDEN[model], rel=1e-4), (
        "the numerics of training have changed: if that is meant, raise CODE_EPOCH in fdt_core/version.py, so that "
        f"older results no longer count as the same trials, and put the new losses here: {losses}"
    )


def test_the_same_trial_gives_the_same_bits_and_another_seed_others() -> None:
    first, second, other = (train(small_spec(seed=seed, epochs=1)) for seed in (0, 0, 1))
    assert lasting(first.history) == lasting(second.history)
    assert same_tensors(weights(first), weights(second))
    assert lasting(first.history) != lasting(other.history)


def test_streamed_data_give_the_same_bits_as_resident_data() -> None:
    spec = small_spec(epochs=1)
    streamed = Training(spec, on_cpu(memory_limit=0), device="cpu")
    list(streamed.epochs())
    assert same_tensors(weights(train(spec)), weights(streamed))


def test_trial_b_after_trial_a_equals_b_alone() -> None:
    b = small_spec("resnet18", seed=5, epochs=1)
    alone = train(b)
    data = on_cpu()
    a = Training(small_spec(precision="bf16", deterministic=True, epochs=1), data, device="cpu")
    list(a.epochs())
    torch.rand(7)
    after = Training(b, data, device="cpu")
    list(after.epochs())
    assert same_tensors(weights(alone), weights(after))
    assert lasting(alone.history) == lasting(after.history)


@pytest.mark.trainer
def test_two_trials_that_take_turns_do_not_disturb_each_other() -> None:
    specs = small_spec(epochs=2), small_spec("resnet18", epochs=2, precision="bf16")
    alone = [train(spec) for spec in specs]
    together = [Training(spec, on_cpu(), device="cpu") for spec in specs]
    for _ in zip(*(training.epochs() for training in together), strict=True):
        pass
    assert all(same_tensors(weights(a), weights(b)) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bfloat16_computes_in_bfloat16_on_float32_weights(precision: str) -> None:
    training = train(small_spec(epochs=1, precision=precision))
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in weights(training).values())
    if precision == "bf16":
        assert lasting(training.history) != lasting(train(small_spec(epochs=1)).history)


@pytest.mark.trainer
def test_it_learns() -> None:
    history = train(small_spec(epochs=12, crop_padding=0, flip=False, cutout=0, schedule="cosine", width=0.25)).history
    assert history[-1].train_loss < 0.6 * history[0].train_loss


@pytest.mark.parametrize("channels_last", [True, False])
def test_weights_and_images_are_laid_out_as_the_recipe_says(channels_last: bool) -> None:
    learner = Learner(small_spec(channels_last=channels_last), on_cpu())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    seen = []
    learner.network[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    learner.train(1, lambda part: None)
    learner.evaluate("test", lambda part: None)
    assert all(pixels.is_contiguous(memory_format=layout) for pixels in seen)
    assert learner.network[4].weight.is_contiguous(memory_format=layout)


# Weight decay, evaluation, validation


def test_without_decay_of_norm_and_bias_only_matrices_shrink() -> None:
    learner = Learner(small_spec(decay_norm_and_bias=False, weight_decay=0.01), on_cpu())
    groups = learner.optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    assert {parameter.ndim for parameter in groups[0]["params"]} == {2, 4}
    assert {parameter.ndim for parameter in groups[1]["params"]} == {1}


def test_evaluation_each_k_epochs_and_after_the_last() -> None:
    history = train(small_spec(epochs=5, evaluate_every=2)).history
    assert [record.epoch for record in history if record.test_accuracy is not None] == [2, 4, 5]


def test_the_reported_test_score_is_that_of_the_network() -> None:
    training, data = train(small_spec(epochs=2)), small_data()
    network = training.network.eval()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    pixels = (torch.from_numpy(data.test_images).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        logits = network(pixels)
    labels = torch.from_numpy(data.test_labels)
    last = training.history[-1]
    assert last.test_loss == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-4)
    assert last.test_accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))


def test_validation_holds_images_out_and_leaves_the_test_for_the_end() -> None:
    training = train(small_spec(epochs=3, validation=0.2))
    assert [record.validation_accuracy is not None for record in training.history] == [True, True, True]
    assert [record.test_accuracy is not None for record in training.history] == [False, False, True]


def test_held_out_images_are_never_trained_on() -> None:
    data = small_data()
    spec = small_spec(epochs=2, validation=0.2)
    learner = Learner(spec, on_cpu(data))
    data.train_images[learner.validation_indices.numpy()] = 255
    blinded = Learner(spec, on_cpu(data)).train(1, lambda part: None).losses()
    assert blinded == learner.train(1, lambda part: None).losses()
    assert learner.training_images == 120
    other = Learner(small_spec(seed=1, validation=0.2), on_cpu())
    assert not torch.equal(other.validation_indices, learner.validation_indices)


# Interrupted and resumed


@pytest.mark.parametrize("model", EACH_FAMILY)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_and_resumed_equals_undisturbed(tmp_path: Path, model: str, precision: str) -> None:
    spec = small_spec(model, precision=precision)
    undisturbed = train(spec)
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    with pytest.raises(Drained):
        train(spec, checkpoints=checkpoints, checkpoint_interval=3600, should_stop=stop_at_batch(9))
    resumed = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert len(resumed.history) == 1, "a warned interruption costs at most the epoch under way"
    assert [record.epoch for record in resumed.epochs()] == [2, 3]
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))
    assert resumed.result().interruptions == 1


@pytest.mark.trainer
@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_again_and_again_equals_undisturbed(tmp_path: Path, model: str, precision: str) -> None:
    spec = small_spec(model, precision=precision)
    for point in KILLS:
        killed = subprocess.run(
            [sys.executable, "-m", "tests.fdt_core.training.killable_training", str(tmp_path), model, precision, point],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert killed.returncode == -9
    resumed = train(spec, checkpoints=TrialCheckpoints(tmp_path))
    undisturbed = train(spec)
    assert lasting(resumed.history) == lasting(undisturbed.history)
    assert same_tensors(weights(resumed), weights(undisturbed))
    assert resumed.result().interruptions == len(KILLS)


def test_a_finished_trial_has_nothing_left_to_train_and_the_same_result(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(epochs=2), TrialCheckpoints(tmp_path / "trial")
    first = train(spec, checkpoints=checkpoints, checkpoint_interval=3600)
    again = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert list(again.epochs()) == []
    assert again.result() == first.result()


def test_the_last_epochs_unsaved_state_is_saved_when_told_to_stop_in_the_next(tmp_path: Path) -> None:
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


def test_should_stop_is_told_the_seconds_to_the_epochs_end() -> None:
    told: list[float] = []

    def ask(seconds: float) -> bool:
        told.append(seconds)
        return False

    train(small_spec(epochs=2), should_stop=ask)
    per_epoch = len(told) // 2
    assert told[0] == math.inf
    assert all(math.isfinite(seconds) for seconds in told[1:])
    assert told[per_epoch] > told[per_epoch + 2] > told[-1] >= 0


def test_a_checkpoint_of_other_data_or_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    checkpoints = TrialCheckpoints(tmp_path / "trial")
    train(small_spec(epochs=1), checkpoints=checkpoints)
    other = Training(small_spec(epochs=1, seed=1), on_cpu(), device="cpu", checkpoints=checkpoints)
    assert other.history == ()


# Ends


def test_a_loss_that_is_not_finite_ends_the_trial_as_diverged(tmp_path: Path) -> None:
    spec, checkpoints = small_spec(epochs=5, learning_rate=1e18), TrialCheckpoints(tmp_path / "trial")
    training = train(spec, checkpoints=checkpoints)
    result = training.result()
    assert result.status == "diverged"
    assert len(result.history) < 5
    assert math.isnan(result.history[-1].train_loss)
    again = Training(spec, on_cpu(), device="cpu", checkpoints=checkpoints)
    assert list(again.epochs()) == []
    assert again.result().status == "diverged"


def test_data_that_were_not_planned_for_are_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="planned for"):
        Training(small_spec(), on_cpu(small_data(size=16)), device="cpu")


def test_the_result_tells_device_times_and_memory() -> None:
    result = train(small_spec(epochs=2)).result()
    assert result.devices == (result.device_name,)
    assert result.interruptions == 0
    assert result.train_seconds == pytest.approx(sum(record.seconds for record in result.history))
    assert result.images_per_second == pytest.approx(300 / result.train_seconds)
    assert 50 < result.peak_memory_mb < 10_000


# Trained networks back


@pytest.mark.parametrize("keep", ["final", "best", "all"])
def test_the_trained_network_comes_back(tmp_path: Path, keep: Any) -> None:
    data = small_data(classes=2)
    spec = small_spec(data=data, epochs=6, crop_padding=0, cutout=0)
    checkpoints = TrialCheckpoints(tmp_path / "checkpoints" / spec.trial_id, keep=keep)
    after_epochs = []
    for should_stop in (stop_at_batch(33), never):  # interrupted in the sixth epoch, after the best
        training = Training(spec, on_cpu(data), device="cpu", checkpoints=checkpoints, should_stop=should_stop)
        with contextlib.suppress(Drained):
            for _ in training.epochs():
                after_epochs.append(copy.deepcopy(weights(training)))
    checkpoints.finalise()
    network = fdt_core.load(tmp_path, spec.trial_id)
    assert not network.training
    best = training.result().best
    assert best is not None
    assert 1 < best.epoch < 6
    expected = best.epoch if keep == "best" else 6
    assert same_tensors(network.state_dict(), after_epochs[expected - 1])


def test_a_trained_network_is_named_by_its_run_and_the_first_letters_of_its_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_data(classes=2)
    spec = small_spec(data=data, epochs=1)
    checkpoints = TrialCheckpoints(tmp_path / "runs" / "study" / "checkpoints" / spec.trial_id)
    (tmp_path / "runs" / "study").mkdir(parents=True)
    (tmp_path / "runs" / "study" / "plan.json").write_text("{}")
    training = Training(spec, on_cpu(data), device="cpu", checkpoints=checkpoints)
    list(training.epochs())
    training.result()
    checkpoints.finalise()
    monkeypatch.setenv("FDT_RUNS_DIR", str(tmp_path / "runs"))
    assert same_tensors(fdt_core.load("study", spec.trial_id[:5]).state_dict(), weights(training))
    with pytest.raises(UsageError, match=r"no trial of .*study has an id that starts with 'zzz'"):
        fdt_core.load("study", "zzz")
    with pytest.raises(UsageError, match=r"no run 'studdy'; did you mean 'study'\?"):
        fdt_core.load("studdy", spec.trial_id)
    with pytest.raises(UsageError, match="name the trial too"):
        fdt_core.load("study")


def test_weights_that_were_not_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "abc").mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match="keeps no weights"):
        fdt_core.load(tmp_path, "abc")
