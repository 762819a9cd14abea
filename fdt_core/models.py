"""The models that a sweep can name: hand-written architectures, and any convolutional network."""

from __future__ import annotations

from fdt_core.errors import UsageError, unknown_name
from fdt_core.model_definition import ModelDefinition
from fdt_core.networks.architectures import Architecture, architecture, architecture_names
from fdt_core.networks.family import Model
from fdt_core.references import import_reference, is_reference
from fdt_core.tracing.constructors import LIBRARIES, is_library_name
from fdt_core.tracing.traced_network import TracedModel


def find_model(definition: ModelDefinition) -> Model:
    """The model that `definition` names. It is not traced yet, and torch is not imported for it.

    Raises:
        UsageError: for an unknown name, or settings that a hand-written architecture does not have.
    """
    name = definition.name
    if is_library_name(name) or (is_reference(name) and not _is_architecture(name)):
        return TracedModel(definition=definition)
    if not is_reference(name) and name not in architecture_names():
        others = [f"{library}/NAME" for library in LIBRARIES]
        raise unknown_name("model", name, [*architecture_names(), *others, "or your own as package.module:attribute"])
    given = [key for key in ("arguments", "slots", "follow", "fixed", "least") if getattr(definition, key)]
    if given:
        raise UsageError(f"{name} has no {given[0]!r}: its slots are fixed. torchvision/{name} can have other ones")
    if definition.alias:
        raise UsageError(f"{name} keeps its name: `as` is for networks of torchvision, timm and your own")
    return architecture(name)


def _is_architecture(reference: str) -> bool:
    return isinstance(import_reference(reference, object)[0], Architecture)
