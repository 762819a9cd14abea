"""Loading the trained networks of a run."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest

import fdt_core
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.trainer import Drained, Training, never
from tests.fdt_core.trials import on_cpu, same_tensors, small_data, small_spec, stop_at_batch, weights


@pytest.mark.parametrize("keep", ["final", "best", "all"])
def test_the_trained_network_can_be_loaded(tmp_path: Path, keep: Any) -> None:
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


def test_a_trained_network_is_found_by_its_run_and_the_first_characters_of_its_trial_id(
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
    with pytest.raises(UsageError, match=r"no trial of .*study has an id .*'zzz'"):
        fdt_core.load("study", "zzz")
    with pytest.raises(UsageError, match=r"no run 'studdy'; did you mean 'study'\?"):
        fdt_core.load("studdy", spec.trial_id)
    with pytest.raises(UsageError, match="name the trial too"):
        fdt_core.load("study")


def test_loading_weights_that_were_not_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "abc").mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match="has no weights of the trial"):
        fdt_core.load(tmp_path, "abc")
