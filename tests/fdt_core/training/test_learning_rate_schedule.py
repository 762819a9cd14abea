"""The learning rate as a function of the step against PyTorch's schedulers, which keep state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from fdt_core.training.learning_rate_schedule import learning_rate
from fdt_core.trial.recipe import Recipe

STEPS = 7


def rates_of_torch(recipe: Recipe, make: Callable[[torch.optim.Optimizer], LRScheduler]) -> list[float]:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    scheduler, rates = make(optimiser), []
    for _ in range(recipe.epochs * STEPS):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def rates(recipe: Recipe) -> list[float]:
    return [learning_rate(recipe, step, STEPS) for step in range(recipe.epochs * STEPS)]


def test_multi_step_equals_torch() -> None:
    recipe = Recipe(epochs=6, milestones=(2, 3, 5), gamma=0.2)
    steps = [milestone * STEPS for milestone in recipe.milestones]
    expected = rates_of_torch(recipe, lambda optimiser: MultiStepLR(optimiser, steps, gamma=0.2))
    assert rates(recipe) == pytest.approx(expected, rel=1e-12)


def test_cosine_equals_torch() -> None:
    recipe = Recipe(epochs=6, schedule="cosine")
    expected = rates_of_torch(recipe, lambda optimiser: CosineAnnealingLR(optimiser, T_max=6 * STEPS))
    assert rates(recipe) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rise", [0.3, 0.05, 0.9])
def test_one_cycle_equals_torch(rise: float) -> None:
    recipe = Recipe(epochs=6, schedule="one_cycle", one_cycle_rise=rise)
    expected = rates_of_torch(
        recipe,
        lambda optimiser: OneCycleLR(
            optimiser, max_lr=recipe.learning_rate, total_steps=6 * STEPS, pct_start=rise, cycle_momentum=False
        ),
    )
    assert rates(recipe) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("epochs", [1, 2])
def test_one_cycle_of_very_few_steps_stays_within_the_peak(epochs: int) -> None:
    recipe = Recipe(epochs=epochs, schedule="one_cycle", one_cycle_rise=0.999)
    assert all(0 < learning_rate(recipe, step, 1) <= recipe.learning_rate for step in range(epochs))


def test_constant_stays_constant() -> None:
    assert set(rates(Recipe(epochs=2, schedule="constant"))) == {0.1}


@pytest.mark.parametrize("schedule", ["constant", "multi_step", "cosine"])
def test_warm_up_rises_to_the_schedule_in_equal_steps(schedule: str) -> None:
    plain = rates(Recipe(epochs=4, schedule=schedule, milestones=(3,)))  # type: ignore[arg-type]
    warm = rates(Recipe(epochs=4, schedule=schedule, milestones=(3,), warmup_epochs=2))  # type: ignore[arg-type]
    factors = [one / other for one, other in zip(warm, plain, strict=True)]
    assert factors[: 2 * STEPS] == pytest.approx([(step + 1) / (2 * STEPS) for step in range(2 * STEPS)])
    assert warm[2 * STEPS :] == plain[2 * STEPS :]
