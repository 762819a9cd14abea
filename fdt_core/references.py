"""Objects of a user's own, named `package.module:attribute`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from fdt_core.errors import UsageError

T = TypeVar("T")


def is_reference(name: str) -> bool:
    """Whether `name` has the form of a reference to a user's own object."""
    return ":" in name


def import_reference(reference: str, expected: type[T]) -> tuple[T, ModuleType]:
    """The object named by `reference`, of type `expected`, and the module it was named in.

    A module is looked for as Python does, then in the current directory.

    Raises:
        UsageError: where the module cannot be imported, lacks the attribute, or holds something else there.
    """
    module_name, _, attribute = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may fail in any way; whatever it is, the message is theirs to read
        raise UsageError(f"{reference!r}: importing {module_name!r} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise UsageError(f"{reference!r}: module {module_name!r} has no {attribute!r}")
    found = getattr(module, attribute)
    if not isinstance(found, expected):
        raise UsageError(f"{reference!r} is a {type(found).__name__}, not {expected.__name__}")
    return found, module
