"""Networks to measure, and their rows of `profiles`."""

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
from fdt_core.networks.architectures import Architecture, architecture
from fdt_core.networks.cost import Cost
from fdt_core.references import import_reference, is_reference
from fdt_core.templates import template

if TYPE_CHECKING:
    from torch import nn

    from fdt_core.compute.numerics import Precision


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to measure; plain values, so that another process can build it.

    Args:
        model: an architecture, or a torch module named as `package.module:name`.
        image: what it reads.
        dataset: the data set that has such images.
        template: None for a torch module, and likewise `cost`: such a network is counted when it is built.
        width: multiplier of the architecture's base filters.
        widths: filters per slot.
    """

    model: str
    image: ImageShape
    dataset: str
    template: str | None = None
    width: float = 1.0
    widths: tuple[int, ...] = ()
    cost: Cost | None = None

    def build(self) -> nn.Module:
        """The network with random weights."""
        from fdt_core.networks.build import build_model

        if self.cost is None:
            return referenced_module(self.model)
        return build_model(architecture(self.model).plan(self.widths, width=self.width, image=self.image))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How networks are run to be measured."""

    device: str
    threads: int
    precision: Precision = "fp32"
    channels_last: bool = True


def named_networks(model: str, templates: Iterable[str], dataset: DatasetInfo, width: float) -> tuple[Network, ...]:
    """The networks that templates make of an architecture under the default budget; or a torch module.

    Raises:
        UsageError: for an unknown name, or a reference to something else.
    """
    if is_reference(model) and not isinstance(import_reference(model, object)[0], Architecture):
        return (Network(model=model, image=dataset.image, dataset=dataset.name),)
    found = []
    for name in templates:
        matched = match(architecture(model), template(name), image=dataset.image, width=width, budget=Budget())
        found.append(
            Network(
                model=model,
                image=dataset.image,
                dataset=dataset.name,
                template=name,
                width=width,
                widths=tuple(matched.widths),
                cost=matched.cost,
            )
        )
    return tuple(found)


def referenced_module(reference: str) -> nn.Module:
    """The torch module that `reference` names, or that the class or function it names returns."""
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


def profile_row(network: Network, setting: Setting) -> dict[str, Any]:
    """Measure `network` in this process, which must have the device to itself: a row of `profiles` but for sweep."""
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
        **measure(
            network.build,
            network.image,
            device=setting.device,
            threads=setting.threads,
            precision=setting.precision,
            channels_last=setting.channels_last,
        ),
    }


@private_compiler_caches()
def profile_row_alone(network: Network, setting: Setting) -> dict[str, Any]:
    """The same in a process of its own, so that nothing that ran before can colour the memory."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
        return processes.submit(profile_row, network, setting).result()
