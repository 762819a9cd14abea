"""The initial state of a training: the network with the weights drawn from its seed, and the optimiser."""

from __future__ import annotations

import torch
from torch import nn

from fdt_core.models import build_network
from fdt_core.training.random_streams import stream_seed
from fdt_core.trial.recipe import Recipe
from fdt_core.trial.spec import TrialSpec


def initial_network(spec: TrialSpec) -> nn.Module:
    """The untrained network of a trial, on the CPU; its weights do not depend on the device it will train on."""
    seed = stream_seed(spec.seed, 0, "initialisation")
    return build_network(spec.model, spec.traced, spec.widths, width=spec.width, image=spec.image, seed=seed)


def build_optimiser(model: nn.Module, recipe: Recipe, *, for_graph: bool = False) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters, fused into one operation where torch can do that.

    BatchNorm parameters and biases get no weight decay unless the recipe sets it. With `for_graph`, a CUDA graph may
    hold its step.
    """
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": recipe.weight_decay if recipe.decay_norm_and_bias else 0.0},
    ]
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(
            groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps, fused=fused, capturable=for_graph
        )
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
    )
