"""The equations between the widths of a network, solved one by one, so that only free widths remain.

The solutions are whole and not negative for any choice of free widths: a network that is wider in one place is never
narrower in another. Where an equation has no such solution, its widths keep the proportions that they have in the
traced network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import SupportsInt

from fdt_core.tracing.symbolic.widths import (
    Linear,
    Product,
    Width,
    expression_of,
    factors_of,
    is_same,
    is_symbolic,
)


@dataclass(frozen=True, slots=True)
class Held:
    """Widths that an operation holds at their base values, or in their base proportions.

    Args:
        sizes: their values in the traced network.
        reason: the operation.
        where: the module that runs it.
        proportional: whether they keep their proportions only.
    """

    sizes: tuple[int, ...]
    reason: str
    where: str
    proportional: bool


class WidthSystem:
    """The variables of a traced network, and the equations between them."""

    def __init__(self) -> None:
        self._base: list[int] = []
        self._solutions: dict[int, Linear] = {}
        self.held: list[Held] = []
        self.where = ""
        """The module that is running, for messages."""

    def enter(self, module: str) -> None:
        """Say which module is running."""
        self.where = module

    def new(self, value: SupportsInt) -> int:
        """A new variable whose value in the traced network is `value`; 1 stays 1, because it broadcasts."""
        return 1 if int(value) == 1 else Width(value, Linear.of_variable(self._add(int(value))), self)

    def base(self, variable: int) -> int:
        """The value of a variable in the traced network."""
        return self._base[variable]

    def reduced(self, expression: Linear) -> Linear:
        """`expression` in terms of the variables that are still free."""
        while solved := [variable for variable in expression.terms if variable in self._solutions]:
            for variable in solved:
                solution = self._solutions[variable] = self.reduced(self._solutions[variable])
                expression = (
                    expression
                    + solution * expression.terms[variable]
                    + Linear.of_variable(variable) * -expression.terms[variable]
                )
        return expression

    def freeze(self, size: int, reason: str) -> None:
        """Hold `size` at its value in the traced network, because of `reason`."""
        for factor in factors_of(size):
            if is_symbolic(factor):
                self.tie(factor, int(factor), reason)

    def tie(self, one: int, other: int, reason: str) -> None:
        """Require two sizes to be equal.

        Raises:
            ValueError: if they differ in the traced network, so that they cannot be meant to be equal.
        """
        if int(one) != int(other):
            raise ValueError(f"{reason}: {int(one)} is not {int(other)}")
        if isinstance(one, Product) or isinstance(other, Product):
            self._tie_products(one, other, reason)
            return
        difference = self.reduced(expression_of(one) + expression_of(other) * -1)
        if difference.terms:
            self._solve(difference, reason)

    def quotient(self, size: Width, divisor: int) -> int:
        """`size / divisor`, which is whole in the traced network.

        If it is not whole for all widths, the variables of `size` become multiples of what is missing. A sum of
        `divisor` equal parts is taken as just that, so that the parts stay equal.
        """
        expression = self.reduced(size.expression)
        if is_symbolic(divisor):
            return self._ratio(expression, self.reduced(expression_of(divisor)), int(size) // int(divisor))
        parts = list(expression.terms)
        is_equal_parts = (
            len(parts) == divisor
            and not expression.constant
            and all(coefficient == 1 for coefficient in expression.terms.values())
            and len({self._base[part] for part in parts}) == 1
        )
        if is_equal_parts:
            for part in parts[1:]:
                self._solutions[part] = Linear.of_variable(parts[0])
        else:
            for part, coefficient in expression.terms.items():
                if not self._make_multiple(part, (coefficient / divisor).denominator):
                    return int(size) // divisor
        quotient = self.reduced(expression) * Fraction(1, divisor)
        if not quotient.is_whole():
            return int(size) // divisor
        return Width(int(size) // divisor, quotient, self) if quotient.terms else int(size) // divisor

    def _add(self, value: int) -> int:
        self._base.append(value)
        return len(self._base) - 1

    def _make_multiple(self, variable: int, factor: int) -> bool:
        """Replace `variable` by `factor` times a new one; False if its base value is not a multiple."""
        if factor == 1:
            return True
        if self._base[variable] % factor:
            return False
        self._solutions[variable] = Linear.of_variable(self._add(self._base[variable] // factor)) * factor
        return True

    def _ratio(self, size: Linear, divisor: Linear, value: int) -> int:
        """The ratio of two symbolic sizes, which is made constant: the network has as many heads at any width."""
        difference = self.reduced(size + divisor * -value)
        if difference.terms:
            self._solve(difference, "a quotient of two widths")
        return value

    def _tie_products(self, one: int, other: int, reason: str) -> None:
        """Tie the factors that are left after those that both have."""
        left, right = list(factors_of(one)), list(factors_of(other))
        for factor in list(left):
            same = next((each for each in right if is_same(factor, each)), None)
            if same is not None:
                left.remove(factor)
                right.remove(same)
        if len(left) == len(right) and all(int(a) == int(b) for a, b in zip(left, right, strict=True)):
            for a, b in zip(left, right, strict=True):
                self.tie(a, b, reason)
        else:
            for factor in (*left, *right):
                self.freeze(factor, reason)

    def _solve(self, difference: Linear, reason: str) -> None:
        """Make `difference` zero for any choice of the variables that remain free."""
        solutions = {
            variable: (difference + Linear.of_variable(variable) * -coefficient) * (-1 / coefficient)
            for variable, coefficient in difference.terms.items()
        }

        def rank(variable: int) -> tuple[bool, bool, int, int]:
            solution = solutions[variable]
            return solution.is_positive(), solution.is_whole(), -len(solution.terms), variable

        chosen = max(solutions, key=rank)
        solution = solutions[chosen]
        if len(solutions) == 1:
            self._hold(solutions, reason, proportional=False)
        elif solution.is_positive() and solution.is_whole():
            self._solutions[chosen] = solution
        elif solution.is_positive() and len(solutions) == 2 and not solution.constant:
            ((other, ratio),) = solution.terms.items()
            common = Linear.of_variable(self._add(self._base[other] // ratio.denominator))
            self._solutions[other] = common * ratio.denominator
            self._solutions[chosen] = common * ratio.numerator
        else:
            self._hold(solutions, reason, proportional=not difference.constant)

    def _hold(self, variables: Iterable[int], reason: str, *, proportional: bool) -> None:
        """Hold the variables in their base proportions, or else at their base values."""
        held = tuple(variables)
        sizes = tuple(self._base[variable] for variable in held)
        unit = gcd(*sizes) if proportional else 1
        if unit == 1:
            for variable in held:
                self._solutions[variable] = Linear.of_number(self._base[variable])
        else:
            common = Linear.of_variable(self._add(unit))
            for variable in held:
                self._solutions[variable] = common * (self._base[variable] // unit)
        self.held.append(Held(sizes, reason, self.where, proportional=unit > 1))
