"""The constructors of networks by name: torchvision's, timm's, and a user's own."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fdt_core.error_text import error_line
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.references import import_reference, sources_digest

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("torchvision", "timm")
"""Packages whose networks are named `package/network`."""

_PRETRAINED = frozenset(
    ("cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "weights_backbone")
)
"""Arguments that load weights."""

_INSTALL = {"timm": "pip install 'fdt-sweep[timm]'", "torchvision": "pip install torchvision"}


def is_library_name(name: str) -> bool:
    """Whether `name` has the form of a network of a library."""
    return name.partition("/")[0] in LIBRARIES and "/" in name


def source_of(name: str) -> str:
    """What the network `name` comes from: a library and its version, or the digest of a user's source file.

    Raises:
        UsageError: if the library is not installed, or the user's module cannot be imported or read.
    """
    if not is_library_name(name):
        return f"source {sources_digest(name)}"
    library = name.partition("/")[0]
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        raise UsageError(f"{name!r} needs {library}, which is not installed: {_INSTALL[library]}") from None


def constructor(definition: ModelDefinition, image: ImageShape) -> Callable[[], nn.Module]:
    """A function that calls the constructor of a network for images of one shape, without pretrained weights.

    Raises:
        UsageError: for an unknown name, or a constructor that takes no number of classes.
    """
    source_of(definition.name)  # says how to install a library that is missing
    if definition.name.startswith("timm/"):
        build = _timm(definition, image)
    elif definition.name.startswith("torchvision/"):
        build = _torchvision(definition, image)
    else:
        build = _of_user(definition, image)
    return partial(_constructed, build, definition)


def _constructed(build: Callable[[], Any], definition: ModelDefinition) -> nn.Module:
    """What `build` returns, which must be a module."""
    from torch import nn

    try:
        # stdout may be a table or JSON, so what the network prints goes to stderr.
        with redirect_stdout(sys.stderr):
            network = build()
    except Exception as error:  # a constructor may raise anything
        given = f" with {_shown(definition.arguments)}" if definition.arguments else ""
        raise UsageError(f"{definition.name!r} cannot be constructed{given}: {error_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"{definition.name!r} gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def _timm(definition: ModelDefinition, image: ImageShape) -> Callable[[], Any]:
    import timm

    name = definition.name.partition("/")[2]
    if not timm.is_model(name):
        raise _unknown(definition.name, "timm", timm.list_models())
    fixed = {"pretrained": False, "num_classes": image.classes, "in_chans": image.channels}
    return partial(timm.create_model, name, **_with(definition, fixed))


def _torchvision(definition: ModelDefinition, image: ImageShape) -> Callable[[], Any]:
    from torchvision import models

    name, known = definition.name.partition("/")[2], models.list_models(module=models)
    if name not in known:
        raise _unknown(definition.name, "torchvision", known)
    builder = models.get_model_builder(name)
    network = inspect.signature(builder, eval_str=True).return_annotation
    fixed: dict[str, object] = {"weights": None, "num_classes": image.classes}
    # Auxiliary classifiers are a second output in training; and these networks warn unless told to initialise.
    optional = {"aux_logits": False, "init_weights": True}
    accepted = inspect.signature(network).parameters if inspect.isclass(network) else {}
    return partial(builder, **_with(definition, fixed | {key: optional[key] for key in optional if key in accepted}))


def _of_user(definition: ModelDefinition, image: ImageShape) -> Callable[[], Any]:
    from torch import nn

    found: Any = import_reference(definition.name, object)[0]
    if isinstance(found, nn.Module) or not callable(found):
        kind = f"{'an instance of' if callable(found) else 'a'} {type(found).__name__}"
        raise UsageError(
            f"{definition.name!r} is {kind}: name an nn.Module class, a function that returns a module, or an "
            "Architecture"
        )
    try:
        parameters = inspect.signature(found).parameters
    except ValueError as error:
        raise UsageError(f"{definition.name!r} is not an nn.Module class or a function: {error}") from error
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    if "num_classes" not in parameters and not takes_any:
        raise UsageError(
            f"{definition.name!r} takes no `num_classes`: its constructor must, because each data set has its own "
            "number of classes"
        )
    fixed = {"num_classes": image.classes} | ({"in_chans": image.channels} if "in_chans" in parameters else {})
    return partial(found, **_with(definition, fixed))


def _with(definition: ModelDefinition, fixed: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a constructor: those of the definition, and `fixed` ones, which it must not contain."""
    reserved = {*fixed} - {"aux_logits", "init_weights"}
    if both := (reserved | _PRETRAINED) & definition.arguments.keys():
        raise UsageError(f"{definition.label}: the argument {min(both)!r} is set by fdt-sweep: leave it out")
    return {**fixed, **definition.arguments}


def _unknown(name: str, library: str, known: Iterable[str]) -> UsageError:
    names = [f"{library}/{each}" for each in known]
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    suggestion = f"; the nearest are {', '.join(near)}" if near else ""
    return UsageError(f"unknown model {name!r}{suggestion} ({library} has {len(names):,} networks)")


def _shown(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in arguments.items())
