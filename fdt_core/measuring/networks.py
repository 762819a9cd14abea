"""Which networks can be measured, and their measurements: rows of the table `profiles`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fdt_core.compute.process import prepare_process, private_compiler_caches
from fdt_core.datasets.info import DatasetInfo
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import match
from fdt_core.measuring.setting import MeasurementSetting
from fdt_core.model_definition import ModelDefinition, PinnedModel
from fdt_core.models import build_network, find_model, model_identity
from fdt_core.networks.architectures import Architecture
from fdt_core.networks.cost import Cost
from fdt_core.references import import_reference, is_reference
from fdt_core.templates import template

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class MeasuredNetwork:
    """A network to measure; plain values, so that another process can build it.

    Args:
        model: an architecture, or a torch module named as `package.module:name`.
        image: the shape of the images and the number of classes.
        dataset: a data set of such images.
        template: the template; None for a torch module.
        width: multiplier of the architecture's base filters.
        widths: filters per slot; empty for a torch module.
        cost: the computed cost; None for a torch module, whose cost is counted after it is built.
        traced: what identifies a traced network; None for any other.
    """

    model: str
    image: ImageShape
    dataset: str
    template: str | None = None
    width: float = 1.0
    widths: tuple[int, ...] = ()
    cost: Cost | None = None
    traced: PinnedModel | None = None

    def build(self) -> nn.Module:
        """Build the network with random weights."""
        if self.cost is None:
            return referenced_module(self.model)
        return build_network(self.model, self.traced, self.widths, width=self.width, image=self.image, seed=0)


def named_networks(
    model: str, templates: Iterable[str], dataset: DatasetInfo, width: float
) -> tuple[MeasuredNetwork, ...]:
    """The networks that `templates` give a model within the default budget; or one torch module.

    Raises:
        UsageError: if a name is unknown, or a reference leads nowhere.
    """
    if is_reference(model) and not isinstance(import_reference(model, object)[0], Architecture):
        return (MeasuredNetwork(model=model, image=dataset.image, dataset=dataset.name),)
    found, known = [], find_model(ModelDefinition(name=model))
    identity = model_identity(known, dataset.image)
    for name in templates:
        matched = match(known, template(name), image=dataset.image, width=width, budget=Budget())
        found.append(
            MeasuredNetwork(
                model=model,
                image=dataset.image,
                dataset=dataset.name,
                template=name,
                width=width,
                widths=tuple(matched.widths),
                cost=matched.cost,
                traced=identity.traced,
            )
        )
    return tuple(found)


def referenced_module(reference: str) -> nn.Module:
    """The torch module that `reference` names, or that the class or function it names returns.

    Raises:
        UsageError: if there is no such module.
    """
    from torch import nn

    found: Any = import_reference(reference, object)[0]
    if callable(found) and not isinstance(found, nn.Module):
        try:
            found = found()
        except TypeError as error:
            raise UsageError(f"{reference!r} cannot be called without arguments: {error}") from error
    if not isinstance(found, nn.Module):
        raise UsageError(f"{reference!r} gives a {type(found).__name__}, not a torch.nn.Module")
    return found


def measurement_row(network: MeasuredNetwork, setting: MeasurementSetting) -> dict[str, Any]:
    """Measure `network` in this process, which must have the device to itself.

    Returns:
        A row of the table `profiles`, without the column `sweep`.
    """
    from fdt_core.measuring.measure import cost_columns, measure
    from fdt_core.networks.module_cost import module_cost

    prepare_process(setting.threads)
    cost = network.cost or module_cost(network.build(), network.image)
    return {
        "model": network.model,
        "width": network.width,
        "template": network.template,
        "dataset": network.dataset,
        "widths": list(network.widths),
        **cost_columns(cost),
        **measure(network.build, network.image, setting),
    }


@private_compiler_caches()
def measurement_row_in_fresh_process(network: MeasuredNetwork, setting: MeasurementSetting) -> dict[str, Any]:
    """Do the same in a fresh process, so that nothing that ran before affects the measured memory."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        return processes.submit(measurement_row, network, setting).result()
