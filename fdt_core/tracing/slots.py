"""Which of a traced network's widths are slots of a template, which follow a slot, and which stay as they are.

1. A slot is a width that exactly one layer writes and at most one reads, alone: no sum and no join involves it.
   Depthwise convolutions write what they read, and layers after global pooling (the classifier, squeeze-and-excitation)
   are not part of the template.
2. Any other width follows a slot in its base proportion: from the first layer that writes it, go back through slots as
   far as possible; the last one reached is the slot that it follows. So the residual stream of a stage follows the
   first bottleneck of that stage.
3. A width without such a slot is a slot itself, unless only convolutions of the image write it: a stem stays.
4. Slots are in the order of execution.

These rules give the slots of the hand-written VGG and ResNet architectures. Patterns of module names change them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fdt_core.errors import UsageError, nearest_match
from fdt_core.model_definition import ModelDefinition
from fdt_core.scaling import half_even, nearest_multiple, scaled
from fdt_core.tracing.structure import Size, Structure, TracedLayer


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A width that a template sets.

    Args:
        width: the index of the free width.
        base: filters in the network as its library builds it.
        multiple: its filters are a multiple of this.
        modules: the layers that write it.
    """

    width: int
    base: int
    multiple: int
    modules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Follower:
    """A width that keeps its base proportion to that of a slot.

    Args:
        width: the index of the free width.
        slot: the index of the slot.
        modules: the layers that write it.
    """

    width: int
    slot: int
    modules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FixedWidth:
    """A width that templates do not change; the width multiplier does.

    Args:
        width: the index of the free width.
        modules: the layers that write it.
        reason: why it is fixed.
    """

    width: int
    modules: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class SlotChoice:
    """The role of every free width of a network."""

    base: tuple[int, ...]
    slots: tuple[Slot, ...]
    followers: tuple[Follower, ...]
    fixed: tuple[FixedWidth, ...]

    def base_filters(self, width: float) -> tuple[int, ...]:
        """The filters of each slot, times the multiplier `width`."""
        return tuple(nearest_multiple(scaled(slot.base, width), slot.multiple) for slot in self.slots)

    def free_widths(self, filters: Sequence[int], width: float) -> tuple[int, ...]:
        """The value of every free width, for the filters of each slot and a multiplier of the fixed widths."""
        values = list(self.base)
        for fixed in self.fixed:
            values[fixed.width] = scaled(self.base[fixed.width], width)
        for slot, wanted in zip(self.slots, filters, strict=True):
            values[slot.width] = nearest_multiple(wanted, slot.multiple) // slot.multiple
        for follower in self.followers:
            leader = self.slots[follower.slot].width
            values[follower.width] = max(1, half_even(self.base[follower.width] * values[leader], self.base[leader]))
        return tuple(values)


def choose_slots(structure: Structure, definition: ModelDefinition) -> SlotChoice:
    """The slots of a traced network by the rules above, as the patterns of `definition` change them.

    Raises:
        UsageError: if no convolution reads what another layer wrote, a pattern fits no layer, patterns contradict each
            other, or no slot is left.
    """
    if not any(layer.convolution and not layer.pooled and _widths(layer.reads) for layer in structure.layers):
        raise UsageError(
            f"{definition.label}: templates distribute the filters of convolutions, and this network has none beyond "
            "those that read the image"
        )
    return _Chooser(structure, definition).choice()


class _Chooser:
    """Applies the rules to one network."""

    def __init__(self, structure: Structure, definition: ModelDefinition) -> None:
        self._structure, self._definition = structure, definition
        layers = structure.layers
        features = [layer for layer in layers if not layer.pooled and not layer.depthwise]
        self._all_writers = _by_width(layers, lambda layer: _widths(layer.writes))
        self._writers = _by_width(features, lambda layer: _widths(layer.writes))
        self._readers = _by_width(features, lambda layer: _widths(layer.reads) if _widths(layer.writes) else ())
        self._shared = {width for layer in layers if len(_widths(layer.reads)) > 1 for width in _widths(layer.reads)}
        self._order = {id(layer): index for index, layer in enumerate(layers)}
        self._fixed = {width for pattern in definition.fixed for width in self._matching(pattern)}
        self._follow = {width: leader for leader, width in self._following()}
        self._named = {width for pattern in definition.slots for width in self._matching(pattern)}
        self._reject_overlap(self._named, self._fixed, "slots", "fixed")
        self._reject_overlap(self._named, self._follow.keys(), "slots", "follow")
        self._reject_overlap(self._follow.keys(), self._fixed, "follow", "fixed")

    def choice(self) -> SlotChoice:
        first = self._named or {width for width in self._writers if self._is_slot(width)} - self._decided
        leaders = {
            width: self._leader(width, first)
            for width in range(len(self._structure.base))
            if width not in first | self._decided
        }
        slots = first if self._named else first | self._leaderless(leaders, first)
        if not slots:
            raise UsageError(f"{self._definition.label}: it has no convolution whose filters could be changed")
        for width in leaders.keys() - slots:
            if leaders[width] is None and not self._is_stem(width):
                leaders[width] = self._leader(width, slots)
        order = sorted(slots, key=lambda width: (self._order[id(self._first_writer(width))], width))
        follow = self._follow | {
            width: leader for width, leader in leaders.items() if leader is not None and width not in slots
        }
        fixed = self._fixed | {width for width in leaders if width not in slots and width not in follow}
        return SlotChoice(
            base=self._structure.base,
            slots=tuple(self._slot(width) for width in order),
            followers=tuple(
                Follower(width=width, slot=self._slot_number(leader, order), modules=self._modules(width))
                for width, leader in sorted(follow.items())
            ),
            fixed=tuple(
                FixedWidth(width=width, modules=self._modules(width), reason=self._reason(width))
                for width in sorted(fixed)
            ),
        )

    @property
    def _decided(self) -> set[int]:
        """The widths that `fixed` and `follow` name."""
        return self._fixed | self._follow.keys()

    def _leaderless(self, leaders: Mapping[int, int | None], slots: set[int]) -> set[int]:
        """The slots by rule 3: what follows nothing, without a stem, unless there would be no slot at all."""
        alone = {width for width, leader in leaders.items() if leader is None and width in self._writers}
        return {width for width in alone if not self._is_stem(width)} or (set() if slots else alone)

    def _is_slot(self, width: int) -> bool:
        writers = self._writers[width]
        return (
            len(writers) == 1
            and len(_widths(writers[0].writes)) == 1
            and len(self._readers.get(width, ())) <= 1
            and width not in self._shared
        )

    def _is_stem(self, width: int) -> bool:
        """Whether only convolutions of the image write it."""
        writers = self._writers.get(width, ())
        return bool(writers) and all(not _widths(layer.reads) for layer in writers)

    def _leader(self, width: int, slots: set[int]) -> int | None:
        """The first slot on the way back from a layer that writes `width`, or None."""
        for layer in self._all_writers.get(width, ()):
            leader, seen = None, {width}
            while len(read := _widths(layer.reads)) == 1 and read[0] in slots and read[0] not in seen:
                leader = read[0]
                seen.add(leader)
                layer = self._first_writer(leader)
            if leader is not None:
                return leader
        return None

    def _first_writer(self, width: int) -> TracedLayer:
        return (self._writers.get(width) or self._all_writers[width])[0]

    def _slot(self, width: int) -> Slot:
        writes = self._first_writer(width).writes
        multiple = next(abs(coefficient) for factor in writes for index, coefficient in factor.terms if index == width)
        base = self._structure.base[width] * multiple
        return Slot(width=width, base=base, multiple=multiple, modules=self._modules(width))

    def _slot_number(self, width: int, order: Sequence[int]) -> int:
        if width not in order:
            modules = ", ".join(self._modules(width))
            raise UsageError(f"{self._definition.label}: `follow` names {modules}, whose filters are not a slot")
        return order.index(width)

    def _modules(self, width: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer.module for layer in self._all_writers.get(width, ())))

    def _reason(self, width: int) -> str:
        if width in self._fixed:
            return "as `fixed` says"
        if width not in self._all_writers:
            return "no layer writes it"
        if self._is_stem(width):
            return "only convolutions of the image write it: a stem"
        if width not in self._writers:
            return "it comes after global pooling, and follows no slot"
        return "it follows no slot"

    def _following(self) -> list[tuple[int, int]]:
        """Pairs of the slot that `follow` names and the width that follows it."""
        pairs = []
        for pattern, module in self._definition.follow.items():
            (leader, *others) = self._matching(module)
            if others:
                raise UsageError(
                    f"{self._definition.label}: `follow` must name one slot for {pattern!r}, but {module!r} fits "
                    f"{len(others) + 1} widths"
                )
            pairs += [(leader, width) for width in self._matching(pattern) if width != leader]
        return pairs

    def _matching(self, pattern: str) -> list[int]:
        """The free widths that the layers write whose names fit `pattern`."""
        layers = [layer for layer in self._structure.layers if fnmatchcase(layer.module, pattern)]
        names = [layer.module for layer in self._structure.layers]
        if not layers:
            raise UsageError(
                f"{self._definition.label}: no convolution or linear layer is named {pattern!r}"
                f"{nearest_match(pattern, names)}; `fdt-sweep templates --model {self._definition.name} --explain` "
                "lists them"
            )
        widths = list(dict.fromkeys(width for layer in layers for width in _widths(layer.writes)))
        if not widths:
            raise UsageError(f"{self._definition.label}: the filters of {pattern!r} cannot be changed")
        return widths

    def _reject_overlap(self, one: Set[int], other: Set[int], first: str, second: str) -> None:
        if both := one & other:
            modules = ", ".join(self._modules(min(both))[:3])
            raise UsageError(f"{self._definition.label}: `{first}` and `{second}` both name {modules}")


def _widths(size: Size) -> tuple[int, ...]:
    """The free widths that a size depends on."""
    return tuple(index for factor in size for index, _ in factor.terms)


def _by_width(
    layers: Sequence[TracedLayer], widths_of: Callable[[TracedLayer], Sequence[int]]
) -> dict[int, list[TracedLayer]]:
    found: dict[int, list[TracedLayer]] = {}
    for layer in layers:
        for width in widths_of(layer):
            found.setdefault(width, []).append(layer)
    return found
