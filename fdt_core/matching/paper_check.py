"""Compare computed parameter counts, memory values and FLOPs with those that the paper prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import match
from fdt_core.matching.paper_tables import PRINTED_MFLOPS, PublishedRow, published_rows
from fdt_core.networks.architectures import architecture
from fdt_core.networks.cost import Cost
from fdt_core.templates import template


@dataclass(frozen=True, kw_only=True)
class PrintedValue:
    """A number from the paper, and the computed one truncated to as many decimals as the paper prints."""

    model: str
    template: str
    quantity: str
    printed: str
    computed: str

    @property
    def agrees(self) -> bool:
        """Whether all printed digits agree."""
        return self.printed == self.computed


def check_paper() -> tuple[PrintedValue, ...]:
    """All 26 printed values that can be computed: 12 parameter counts, 12 memory values, 2 FLOP totals (CIFAR-10)."""
    return tuple(value for row in published_rows() for value in _values(row, _cost(row)))


def _cost(row: PublishedRow) -> Cost:
    image = dataset_info("cifar10").image
    budget = Budget(rule="paper")
    return match(architecture(row.model), template(row.template), image=image, width=1.0, budget=budget).cost


def _values(row: PublishedRow, cost: Cost) -> Iterator[PrintedValue]:
    def value(quantity: str, printed: str, exact: Decimal) -> PrintedValue:
        return PrintedValue(
            model=row.model,
            template=row.template,
            quantity=quantity,
            printed=printed,
            computed=str(exact.quantize(Decimal(printed), ROUND_DOWN)),
        )

    yield value("parameters (millions)", row.params_millions, Decimal(cost.params).scaleb(-6))
    yield value("memory (MB)", row.memory_mb, Decimal(str(cost.memory_mb)))
    if row.template == "base":
        yield value("FLOPs (millions)", PRINTED_MFLOPS[row.model], Decimal(cost.paper_flops).scaleb(-6))
