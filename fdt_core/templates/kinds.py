"""The interface of templates, and the simple kinds: base, uniform, explicit widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fdt_core.errors import UsageError


@runtime_checkable
class Template(Protocol):
    """The interface of a template. Implement it for a distribution that `Piecewise` cannot describe."""

    @property
    def name(self) -> str:
        """The name of the template in the results."""
        ...

    def least_n(self, base_widths: tuple[int, ...]) -> int | None:
        """The smallest n that may be chosen, at least 1; None if the template has no free width."""
        ...

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """The filters of each slot.

        No slot may lose filters when n rises: budget matching relies on this.

        Args:
            base_widths: the model's base filters per slot, scaled by the width multiplier.
            n: the free width; None if `least_n` is None.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Base:
    """The model's base filters."""

    name: str = "base"

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """None: there is no free width."""
        return

    def widths(self, base_widths: tuple[int, ...], n: int | None = None) -> tuple[int, ...]:
        """The base filters, unchanged."""
        return base_widths


@dataclass(frozen=True, kw_only=True)
class ExplicitWidths:
    """Filters given slot by slot: neither matched to the budget nor scaled by the width multiplier.

    Raises:
        UsageError: if there are no widths, or one is below 1.
    """

    name: str
    filters: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.filters or min(self.filters) < 1:
            raise UsageError(f"template {self.name!r}: widths must be whole numbers of at least 1, one per slot")

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """None: there is no free width."""
        return

    def widths(self, base_widths: tuple[int, ...], n: int | None = None) -> tuple[int, ...]:
        """The given filters."""
        return self.filters


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """The same filters n in every slot. The minimum of the base filters does not apply: n starts at 1."""

    name: str

    def least_n(self, base_widths: tuple[int, ...]) -> int:
        """One filter."""
        return 1

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """`n` filters in every slot."""
        return (chosen(n),) * len(base_widths)


def chosen(n: int | None) -> int:
    """Return `n`, which a template with a free width requires.

    Raises:
        ValueError: if it is None.
    """
    if n is None:
        raise ValueError("this template needs a width n")
    return n
