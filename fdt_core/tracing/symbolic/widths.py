"""Symbolic widths: integers that remember how they depend on the free widths of a network.

While a network is traced, its sizes are instances of `Width`. Python's arithmetic in the network's own code (sums,
multiples, exact quotients) keeps track of what they depend on. Each operation that requires two sizes to be equal adds
an equation, which `fdt_core.tracing.symbolic.width_system` solves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Protocol, SupportsInt


@dataclass(frozen=True, slots=True)
class Linear:
    """The sum of `coefficient * variable` over `terms`, plus `constant`."""

    terms: Mapping[int, Fraction]
    constant: Fraction

    def __add__(self, other: Linear) -> Linear:
        terms = dict(self.terms)
        for variable, coefficient in other.terms.items():
            terms[variable] = terms.get(variable, Fraction(0)) + coefficient
        return Linear({key: value for key, value in terms.items() if value}, self.constant + other.constant)

    def __mul__(self, factor: int | Fraction) -> Linear:
        terms = {key: value * factor for key, value in self.terms.items() if factor}
        return Linear(terms, self.constant * factor)

    @classmethod
    def of_variable(cls, index: int) -> Linear:
        """The variable with this index alone."""
        return cls({index: Fraction(1)}, Fraction(0))

    @classmethod
    def of_number(cls, value: SupportsInt) -> Linear:
        """A number, without variables."""
        return cls({}, Fraction(int(value)))

    def is_whole(self) -> bool:
        """Whether all coefficients and the constant are whole numbers."""
        return all(value.denominator == 1 for value in (*self.terms.values(), self.constant))

    def is_positive(self) -> bool:
        """Whether no coefficient is negative, and the constant neither."""
        return all(value >= 0 for value in (*self.terms.values(), self.constant))


class Equations(Protocol):
    """What sizes need of the equations between them; see `fdt_core.tracing.symbolic.width_system`."""

    def reduced(self, expression: Linear) -> Linear:
        """`expression` in terms of the variables that are still free."""
        ...

    def quotient(self, size: Width, divisor: int) -> int:
        """`size / divisor`, which is whole in the traced network."""
        ...


class Width(int):
    """A size that depends on free widths. Its integer value is the one in the traced network."""

    expression: Linear
    system: Equations

    def __new__(cls, value: SupportsInt, expression: Linear, system: Equations) -> Width:
        """A size of `value` that equals `expression` of the variables of `system`."""
        width = int.__new__(cls, int(value))
        width.expression, width.system = expression, system
        return width

    def _with(self, value: int, expression: Linear) -> int:
        return Width(value, expression, self.system) if expression.terms else value

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Product) or not isinstance(other, int):
            return int(self) + other
        return self._with(int(self) + int(other), self.expression + expression_of(other))

    def __neg__(self) -> int:
        return self._with(-int(self), self.expression * -1)

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Product) or not isinstance(other, int):
            return int(self) - other
        return self._with(int(self) - int(other), self.expression + expression_of(other) * -1)

    def __rsub__(self, other: Any) -> Any:
        return (-self) + other

    def __mul__(self, other: Any) -> Any:
        if is_symbolic(other):
            return Product((self, *factors_of(other)))
        if not isinstance(other, int):
            return int(self) * other
        return self._with(int(self) * other, self.expression * other)

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, int) or isinstance(other, Product) or not other or int(self) % int(other):
            return int(self) // other
        return self.system.quotient(self, other)

    def __mod__(self, other: Any) -> Any:
        return int(self) % other

    __radd__ = __add__
    __rmul__ = __mul__
    __hash__ = int.__hash__

    def __deepcopy__(self, memo: object) -> Width:
        return self

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class Product(int):
    """The product of several symbolic sizes, as in flattened feature maps. Only division takes it apart."""

    factors: tuple[int, ...]

    def __new__(cls, factors: Iterable[int]) -> Product:
        """The product of `factors`, which may be products themselves."""
        flat = tuple(each for factor in factors for each in factors_of(factor) if int(each) != 1 or is_symbolic(each))
        product = int.__new__(cls, prod(int(factor) for factor in flat))
        product.factors = flat
        return product

    def __mul__(self, other: Any) -> Any:
        return Product((self, other)) if isinstance(other, int) else int(self) * other

    __rmul__ = __mul__
    __hash__ = int.__hash__

    def __floordiv__(self, other: Any) -> Any:
        for index, factor in enumerate(self.factors):
            if is_same(factor, other):
                return prod(self.factors[:index] + self.factors[index + 1 :])
        for index, factor in enumerate(self.factors):
            if isinstance(other, int) and other and int(factor) % int(other) == 0 and is_symbolic(factor):
                return prod((*self.factors[:index], factor // other, *self.factors[index + 1 :]))
        return int(self) // other

    def __deepcopy__(self, memo: object) -> Product:
        return self

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


def is_symbolic(size: object) -> bool:
    """Whether `size` depends on free widths."""
    return isinstance(size, (Width, Product))


def factors_of(size: int) -> tuple[int, ...]:
    """The factors of a product; anything else is its own factor."""
    return size.factors if isinstance(size, Product) else (size,)


def expression_of(size: int) -> Linear:
    """What `size`, not a product, depends on."""
    return size.expression if isinstance(size, Width) else Linear.of_number(size)


def is_same(one: object, other: object) -> bool:
    """Whether two sizes are equal for any choice of free widths."""
    if isinstance(one, Product) or isinstance(other, Product) or not (isinstance(one, int) and isinstance(other, int)):
        return False
    system = next((size.system for size in (one, other) if isinstance(size, Width)), None)
    if system is None or int(one) != int(other):
        return system is None and one == other
    return system.reduced(expression_of(one)) == system.reduced(expression_of(other))
