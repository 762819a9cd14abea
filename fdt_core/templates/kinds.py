"""What a template is, and the kinds that need no profile: base, uniform, explicit widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fdt_core.errors import UsageError


@runtime_checkable
class Template(Protocol):
    """What any template answers. Implement it for a distribution that no profile describes."""

    @property
    def name(self) -> str:
        """What the results call the template."""
        ...

    def least_n(self, base_widths: tuple[int, ...]) -> int | None:
        """The smallest n that may be chosen, at least 1; None where there is nothing to choose."""
        ...

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """The filters of each slot.

        No slot may lose filters when n rises: the search for a budget relies on it.

        Args:
            base_widths: the model's own filters per slot, scaled by the width multiplier.
            n: the free width; None where `least_n` is None.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Base:
    """The model's own filters."""

    name: str = "base"

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """Nothing to choose."""
        return

    def widths(self, base_widths: tuple[int, ...], n: int | None = None) -> tuple[int, ...]:
        """The base filters, unchanged."""
        return base_widths


@dataclass(frozen=True, kw_only=True)
class ExplicitWidths:
    """Filters given slot by slot: measured, not matched, and not scaled by the width multiplier.

    Raises:
        UsageError: where a width is below 1.
    """

    name: str
    filters: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.filters or min(self.filters) < 1:
            raise UsageError(f"template {self.name!r}: widths must be whole numbers of at least 1, one per slot")

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """Nothing to choose."""
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
        """`n` filters everywhere."""
        return (chosen(n),) * len(base_widths)


def chosen(n: int | None) -> int:
    """`n`, which a template with something to choose must be given.

    Raises:
        ValueError: where it was not.
    """
    if n is None:
        raise ValueError("this template needs a width n")
    return n
