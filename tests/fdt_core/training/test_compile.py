"""Compiled trainings stay compiled, trial after trial, and compute the same as uncompiled ones."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit

from fdt_core.compute.process import compiler_caches
from fdt_core.training.learner import Learner
from fdt_core.training.step import compiled
from tests.fdt_core.trials import MODERN, on_cpu, small_spec

FULL_BATCHES = 150 // 32
"""The number of full batches in an epoch of the small data."""


class CountingBackend:
    """Replaces inductor, which takes minutes: torch really captures the network, and this runs the captured graph."""

    def __init__(self) -> None:
        self.graphs = self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        self.graphs += 1

        def run(*arguments: Any) -> Any:
            self.runs += 1
            return graph.forward(*arguments)

        return run


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> CountingBackend:
    counting = CountingBackend()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=counting))
    return counting


@pytest.mark.trainer
def test_every_trial_of_a_process_is_compiled_once_and_runs_its_full_batches_compiled(backend: CountingBackend) -> None:
    with torch._dynamo.config.patch(recompile_limit=2):
        for trial in range(1, 5):
            learner = Learner(small_spec(width=0.03 * trial, compile=True), on_cpu())
            learner.train(1, lambda part: None)
            learner.evaluate("test", lambda part: None)
            assert (backend.graphs, backend.runs) == (trial, trial * FULL_BATCHES)


@pytest.mark.trainer
def test_averaged_weights_and_mixed_images_do_not_compile_the_network_again(backend: CountingBackend) -> None:
    recipe: dict[str, Any] = MODERN
    eager, learner = (Learner(small_spec(**recipe, compile=compile), on_cpu()) for compile in (False, True))
    for epoch in (1, 2):
        losses = [found.train(epoch, lambda part: None).losses() for found in (eager, learner)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    scores = [found.evaluate("test", lambda part: None).losses() for found in (eager, learner)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    assert (backend.graphs, backend.runs) == (1, 2 * FULL_BATCHES)


@pytest.mark.trainer
def test_trials_that_take_turns_stay_compiled(backend: CountingBackend) -> None:
    learners = [Learner(small_spec(width=width, compile=True), on_cpu()) for width in (0.03, 0.06)]
    for epoch in (1, 2):
        for learner in learners:
            learner.train(epoch, lambda part: None)
    assert (backend.graphs, backend.runs) == (2, 4 * FULL_BATCHES)


def test_too_many_compilations_raise(backend: CountingBackend) -> None:
    forward = compiled(nn.Linear(3, 2))
    with torch._dynamo.config.patch(recompile_limit=2):
        forward(torch.zeros(2, 3))
        forward(torch.zeros(3, 3))
        with pytest.raises(FailOnRecompileLimitHit):
            forward(torch.zeros(4, 3))
    assert backend.graphs == 2


@pytest.mark.trainer
def test_the_compiler_uses_the_trials_threads() -> None:
    program = (
        "from fdt_core.compute.process import prepare_process; prepare_process(3);"
        "import torch._inductor.config as config; print(config.compile_threads)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "3"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler: apt-get install g++")
def test_a_compiled_training_gives_the_losses_of_an_uncompiled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in compiler_caches(tmp_path).items():
        monkeypatch.setenv(name, value)
    for model in ("vgg11", "resnet18"):
        eager, ours = (
            Learner(small_spec(model, learning_rate=0.01, compile=compile), on_cpu())
            .train(1, lambda part: None)
            .losses()
            for compile in (False, True)
        )
        assert ours == pytest.approx(eager, rel=1e-4)
    assert [path for path in (tmp_path / "inductor").rglob("*.so") if os.access(path, os.R_OK)]
