"""The learning rate as a pure function of the step, so there is no schedule state to save or restore."""

from __future__ import annotations

import math

from fdt_core.trial.recipe import Recipe

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1 / 25e4
"""First and last learning rate of one_cycle as fractions of the peak: the defaults of PyTorch's OneCycleLR."""


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of `step`, counted from 0 at the start of the training.

    cosine: Loshchilov and Hutter, 'SGDR' (2017), without restarts, to zero. one_cycle: Smith and Topin,
    'Super-Convergence' (2019), with cosine slopes as in PyTorch's OneCycleLR. A warm-up factor rises linearly over the
    warm-up steps and multiplies the schedule, which itself starts at the first step (Goyal et al., 2017).
    """
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "one_cycle":
        return recipe.learning_rate * _one_cycle(step, steps, recipe.one_cycle_rise)
    warmup_steps = recipe.warmup_epochs * steps_per_epoch
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return recipe.learning_rate * warmup * _decay(recipe, step / steps, step // steps_per_epoch)


def _decay(recipe: Recipe, progress: float, epochs_done: int) -> float:
    if recipe.schedule == "multi_step":
        return recipe.gamma ** sum(epochs_done >= milestone for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1.0


def _one_cycle(step: int, steps: int, rise: float) -> float:
    peak_step, last_step = rise * steps - 1, steps - 1
    if step < peak_step:
        return _cosine_between(ONE_CYCLE_START, 1.0, step / peak_step)
    fall = last_step - peak_step
    return _cosine_between(1.0, ONE_CYCLE_END, (step - peak_step) / fall) if fall > 0 else 1.0


def _cosine_between(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))
