"""The models that a sweep can name: hand-written architectures, and any convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdt_core.errors import UsageError, unknown_name
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition, PinnedModel
from fdt_core.networks.architectures import Architecture, architecture, architecture_names
from fdt_core.networks.family import Model
from fdt_core.references import import_reference, is_reference, source_digest
from fdt_core.tracing.constructors import LIBRARIES, is_library_name
from fdt_core.tracing.traced_network import TracedModel, pinned_network

if TYPE_CHECKING:
    from torch import nn


def find_model(definition: ModelDefinition) -> Model:
    """The model that `definition` names. It is not traced yet, and torch is not imported for it.

    Raises:
        UsageError: for an unknown name, or settings that a hand-written architecture does not have.
    """
    name, alias = definition.name, definition.alias or ""
    if alias in architecture_names() or is_library_name(alias) or set(alias) & set("*?[]"):
        raise UsageError(f"`as: {alias}` would name another model, or select several: choose another name")
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


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """What determines the networks of a model, besides its name: a part of a trial's identity.

    Args:
        digest: of the source of a user's architecture; empty for other models.
        traced: what identifies a traced network.
    """

    digest: str = ""
    traced: PinnedModel | None = None


def model_identity(model: Model, image: ImageShape) -> ModelIdentity:
    """The identity of a model for images of one shape.

    Raises:
        UsageError: if a network cannot be traced, or the source of a user's module cannot be read.
    """
    if isinstance(model, TracedModel):
        return ModelIdentity(traced=model.network(image).pinned)
    return ModelIdentity(digest=source_digest(model.name) if is_reference(model.name) else "")


def build_network(
    model: str, traced: PinnedModel | None, filters: tuple[int, ...], *, width: float, image: ImageShape, seed: int
) -> nn.Module:
    """Build a network of a model, on the CPU and in training mode. Its weights depend on nothing but `seed`.

    Args:
        model: name of the model.
        traced: what identifies a traced network; None for an architecture.
        filters: filters per slot.
        width: multiplier of the filters outside the slots.
        image: the shape of the images and the number of classes.
        seed: of the initial weights.

    Raises:
        UsageError: if there is no such model.
        EnvironmentProblem: if a traced network is not the one that was planned.
    """
    if traced is not None:
        return pinned_network(traced, image).build(filters, width, seed=seed)
    import torch

    from fdt_core.networks.build import build_model

    layers = architecture(model).plan(filters, width=width, image=image)
    return build_model(layers, generator=torch.Generator().manual_seed(seed))


def _is_architecture(reference: str) -> bool:
    return isinstance(import_reference(reference, object)[0], Architecture)
