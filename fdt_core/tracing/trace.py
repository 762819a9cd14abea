"""Trace a network: construct it on the meta device, follow its widths through a forward pass, and keep plain data."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout

import torch
from torch import Tensor, nn

from fdt_core.error_text import error_line
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.tracing.leaf_modules import leaf_constructors
from fdt_core.tracing.operations.call import Operation, OperationKind
from fdt_core.tracing.operations.tracer import Tracer, reporting_modules
from fdt_core.tracing.seeded import seeded
from fdt_core.tracing.structure import (
    AttributeSize,
    CostFormula,
    Expression,
    HeldWidth,
    LeafWidths,
    Monomial,
    Polynomial,
    Size,
    Structure,
    TensorSizes,
    TracedLayer,
)
from fdt_core.tracing.symbolic.sizes import set_facts, set_sizes, shape_of, sizes_of, tensors_in
from fdt_core.tracing.symbolic.width_system import WidthSystem
from fdt_core.tracing.symbolic.widths import expression_of, factors_of
from fdt_core.tracing.symbolic_modules import SymbolicNetwork, make_symbolic

Construct = Callable[[], nn.Module]
"""Calls the network's own constructor."""


def trace(construct: Construct, image: ImageShape, name: str) -> Structure:
    """Trace the network `name` that `construct` returns, for images of one shape.

    Raises:
        UsageError: if it cannot be constructed or run on one image, or does not return one value per class.
    """
    system = WidthSystem()
    with seeded(0), leaf_constructors(device="meta"):
        network = construct()
    _reject_shared_parameters(network, name)
    network.to("meta").eval()
    try:
        symbolic = make_symbolic(network, system)
    except Exception as error:  # lazy or scripted modules, for instance, which have no sizes yet, or cannot be changed
        raise UsageError(
            f"{name} cannot be traced, because of its module {system.where!r}: {error_line(error)}"
        ) from error
    tracer = Tracer(system)
    images = torch.empty(1, image.channels, image.size, image.size, device="meta")
    set_sizes(images, tuple(images.shape))
    set_facts(images, pooled=False, of_image=True)
    system.enter("")
    try:
        # stdout may be a table or JSON, so what the network prints goes to stderr.
        with redirect_stdout(sys.stderr), torch.no_grad(), reporting_modules(network, system.enter), tracer:
            output = network(images)
    except Exception as error:  # a network may raise anything
        raise UsageError(f"{name} {failed_on(image, system.where, error)}") from error
    _require_logits(output, image, name)
    for size in sizes_of(next(tensors_in(output))):
        system.freeze(size, "the number of classes")
    trainable = {key for key, parameter in network.named_parameters() if parameter.requires_grad}
    return _Plain(system, symbolic).structure(tracer.operations, symbolic, trainable)


def _reject_shared_parameters(network: nn.Module, name: str) -> None:
    """Refuse one parameter in two modules: each would be sized, and initialised, by itself."""
    first: dict[int, str] = {}
    for key, parameter in network.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), key) != key and not _is_in_shared_module(network, first[id(parameter)], key):
            raise UsageError(f"{name}: {first[id(parameter)]} and {key} are one parameter, which cannot be rebuilt")


def _is_in_shared_module(network: nn.Module, one: str, other: str) -> bool:
    """Whether two names of a parameter differ only because one module has two names."""
    return network.get_submodule(one.rpartition(".")[0]) is network.get_submodule(other.rpartition(".")[0])


def failed_on(image: ImageShape, module: str, error: Exception) -> str:
    """The end of a message about a forward pass that raised `error` in `module`."""
    where = f" in its module {module!r}" if module else ""
    size = f"{image.channels} x {image.size} x {image.size}"
    return f"does not run on images of {size}{where}: {error_line(error)}"


def _require_logits(output: object, image: ImageShape, name: str) -> None:
    if not isinstance(output, Tensor):
        found = type(output).__name__
        raise UsageError(f"{name} returns a {found}, not one tensor of {image.classes} values per image")
    shape = shape_of(output)
    if shape != (1, image.classes):
        raise UsageError(f"{name} returns a tensor of shape {shape} for one image, not {(1, image.classes)}")


class _Plain:
    """Turns symbolic sizes into plain data, with the free widths numbered from 0."""

    def __init__(self, system: WidthSystem, symbolic: SymbolicNetwork) -> None:
        self._system = system
        used = sorted(
            {
                variable
                for sizes in symbolic.tensors.values()
                for size in sizes
                for factor in factors_of(size)
                for variable in system.reduced(expression_of(factor)).terms
            }
        )
        self._number = {variable: number for number, variable in enumerate(used)}
        self.base = tuple(system.base(variable) for variable in used)

    def structure(self, operations: Sequence[Operation], symbolic: SymbolicNetwork, trainable: set[str]) -> Structure:
        """The traced network as plain data."""
        layers = [operation for operation in operations if operation.kind is OperationKind.LAYER]
        return Structure(
            base=self.base,
            layers=tuple(
                TracedLayer(
                    module=layer.module,
                    reads=self.size(layer.reads),
                    writes=self.size(layer.writes),
                    convolution=layer.convolution,
                    depthwise=layer.depthwise,
                    pooled=layer.pooled,
                )
                for layer in layers
            ),
            formula=self._formula(operations, [symbolic.tensors[key] for key in symbolic.tensors if key in trainable]),
            leaves=tuple(
                LeafWidths(
                    index=index,
                    inputs=None if leaf.inputs is None else self.size(leaf.inputs),
                    outputs=None if leaf.outputs is None else self.size(leaf.outputs),
                    groups=None if leaf.groups is None else self.size(leaf.groups),
                )
                for index, leaf in sorted(symbolic.leaves.items())
            ),
            tensors=tuple(
                TensorSizes(name=key, sizes=tuple(self.size(size) for size in sizes))
                for key, sizes in symbolic.tensors.items()
            ),
            attributes=tuple(
                AttributeSize(module=each.module, name=each.name, index=each.index, size=self.size(each.size))
                for each in symbolic.attributes
                if self._is_of_parameters(each.size)
            ),
            held=tuple(
                dict.fromkeys(
                    HeldWidth(
                        sizes=held.sizes, operation=held.reason, module=held.where, proportional=held.proportional
                    )
                    for held in self._system.held
                )
            ),
        )

    def size(self, size: int) -> Size:
        """A size as the product of expressions of the free widths. Others have their base values."""
        return tuple(self._expression(factor) for factor in factors_of(size))

    def _expression(self, size: int) -> Expression:
        reduced = self._system.reduced(expression_of(size))
        constant = reduced.constant
        terms = []
        for variable, coefficient in sorted(reduced.terms.items()):
            if variable in self._number:
                terms.append((self._number[variable], int(coefficient)))
            else:
                constant += coefficient * self._system.base(variable)
        return Expression(terms=tuple(terms), constant=int(constant))

    def _is_of_parameters(self, size: int) -> bool:
        """Whether every variable of `size` is one of the network's parameters, and so gets a value."""
        variables = self._system.reduced(expression_of(size)).terms
        return bool(variables) and all(variable in self._number for variable in variables)

    def _formula(self, operations: Sequence[Operation], parameters: Iterable[Sequence[int]]) -> CostFormula:
        expressions: dict[Expression, int] = {}

        def polynomial(products: Iterable[Sequence[int]]) -> Polynomial:
            sums: Counter[tuple[int, ...]] = Counter()
            for factors in products:
                coefficient, symbolic = 1, []
                for factor in itertools.chain.from_iterable(self.size(factor) for factor in factors):
                    if factor.terms:
                        symbolic.append(expressions.setdefault(factor, len(expressions)))
                    else:
                        coefficient *= factor.constant
                sums[tuple(sorted(symbolic))] += coefficient
            return tuple(Monomial(coefficient=value, factors=factors) for factors, value in sums.items())

        of = {kind: [each for each in operations if each.kind is kind and each.of_image] for kind in OperationKind}
        params = polynomial(parameters)
        macs = polynomial(each.macs for each in operations if each.macs)
        normalised = polynomial(each.outputs for each in of[OperationKind.NORM])
        activated = polynomial(each.outputs for each in of[OperationKind.ACTIVATION])
        pooled = polynomial(each.inputs for each in of[OperationKind.POOL])
        activations = polynomial(each.outputs for each in operations if each.of_image)
        return CostFormula(
            expressions=tuple(expressions),
            params=params,
            macs=macs,
            normalised=normalised,
            activated=activated,
            pooled=pooled,
            activations=activations,
        )
