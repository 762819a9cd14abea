"""The templates by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from fdt_core.errors import UsageError, unknown_name
from fdt_core.references import import_reference, is_reference
from fdt_core.templates.inline import inline_template
from fdt_core.templates.kinds import Base, Template, Uniform
from fdt_core.templates.piecewise import Piecewise


@dataclass(frozen=True, kw_only=True)
class Referenced:
    """A user's template under the name by which it was requested, so that no two can be confused."""

    name: str
    template: Template

    def least_n(self, base_widths: tuple[int, ...]) -> int | None:
        """As the template itself."""
        return self.template.least_n(base_widths)

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """As the template itself."""
        return self.template.widths(base_widths, n)


@dataclass(frozen=True, kw_only=True)
class TemplateRegistry:
    """Templates by name. Immutable: `register` returns a new registry."""

    templates: Mapping[str, Template] = field(default_factory=lambda: MappingProxyType({}))

    def register(self, *templates: Template) -> TemplateRegistry:
        """A registry that also contains `templates`.

        Raises:
            UsageError: if a name is taken.
        """
        known = dict(self.templates)
        for added in templates:
            if added.name in known:
                raise UsageError(f"there is already a template {added.name!r}: choose another name")
            known[added.name] = added
        return TemplateRegistry(templates=MappingProxyType(known))

    @property
    def names(self) -> tuple[str, ...]:
        """The known names, in the order of registration."""
        return tuple(self.templates)

    def find(self, name: str) -> Template:
        """The template `name`, or a user's, named `package.module:attribute`.

        The result's name is always `name`.

        Raises:
            UsageError: for an unknown name, or an attribute that is not a `Template`.
        """
        if is_reference(name):
            found, _ = import_reference(name, Template)  # type: ignore[type-abstract]  # mypy rejects a protocol here
            return Referenced(name=name, template=found)
        if name not in self.templates:
            raise unknown_name("template", name, [*self.names, "or your own, inline or as package.module:attribute"])
        return self.templates[name]


def _piecewise(name: str, *heights: int) -> Piecewise:
    """A template whose corners have these `heights`, are spaced evenly and fall on slots."""
    points = tuple((Fraction(index, len(heights) - 1), Fraction(height)) for index, height in enumerate(heights))
    return Piecewise(name=name, points=points, corners_on_slots=True)


BUILT_IN_TEMPLATES = TemplateRegistry().register(
    Base(),
    _piecewise("a", 0, 1),
    Uniform(name="b"),
    _piecewise("c", 1, 0),
    _piecewise("d", 0, 1, 0),
    _piecewise("e", 1, 0, 1),
)
"""The paper's templates: base, a (smooth step), b (uniform), c (reverse), d (centre bulge), e (centre waist)."""


def template_names() -> tuple[str, ...]:
    """Names of the built-in templates."""
    return BUILT_IN_TEMPLATES.names


def template(description: str | Mapping[str, object], *, registry: TemplateRegistry = BUILT_IN_TEMPLATES) -> Template:
    """The template that a sweep file describes.

    Args:
        description: a name in the registry; a user's template as `package.module:attribute`; or inline, as
            `{name, points}` (a `Piecewise`) or `{name, widths}` (`ExplicitWidths`).
        registry: the templates that are found by name.

    Raises:
        UsageError: if the description neither names nor defines a template.
    """
    if isinstance(description, str):
        return registry.find(description)
    found = inline_template(description)
    return registry.register(found).templates[found.name]
