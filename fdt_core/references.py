"""User objects, referred to as `package.module:attribute`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from fdt_core.errors import UsageError
from fdt_core.import_path import PROJECT_PACKAGES, installed_folders

T = TypeVar("T")


def is_reference(name: str) -> bool:
    """Whether `name` has the form of a reference to a user object."""
    return ":" in name


def import_reference(reference: str, expected: type[T]) -> tuple[T, ModuleType]:
    """Import the object that `reference` names, of type `expected`; returns it and its module.

    A module is searched for in the installation, then on PYTHONPATH, then in the current directory, so that a user's
    file can never replace a module that fdt-sweep needs.

    Raises:
        UsageError: if the module cannot be imported, lacks the attribute, or the attribute has another type.
    """
    module_name, _, attribute = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything, and its message is for the user
        why = f"{type(error).__name__}: {error}{_taken_name(sys.modules.get(module_name.partition('.')[0]))}"
        raise UsageError(f"{reference!r}: importing {module_name!r} failed: {why}") from error
    if not hasattr(module, attribute):
        raise UsageError(f"{reference!r}: module {module_name!r} has no {attribute!r}{_taken_name(module)}")
    found = getattr(module, attribute)
    if not isinstance(found, expected):
        raise UsageError(f"{reference!r} is a {type(found).__name__}, not {expected.__name__}")
    return found, module


def source_digest(reference: str) -> str:
    """The SHA-256 of the source of the module that `reference` names.

    Raises:
        UsageError: if the module cannot be imported, or its source cannot be read.
    """
    _, module = import_reference(reference, object)
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError) as error:  # no file, or a module that is part of Python itself
        raise UsageError(f"{reference!r}: the source of {module.__name__!r} cannot be read: {error}") from error
    return hashlib.sha256(source.encode()).hexdigest()


def sources_digest(reference: str) -> str:
    """A digest of the module that `reference` names, and of what it uses of the user's other modules.

    Those are modules, classes and functions among its global names, and so on; installed packages are left out.

    Raises:
        UsageError: if the module cannot be imported, or its source cannot be read.
    """
    _, module = import_reference(reference, object)
    digests, waiting = {module.__name__: source_digest(reference)}, [module]
    while waiting:
        for used in _used_modules(waiting.pop()):
            if used.__name__ not in digests and _is_of_user(used):
                digests[used.__name__] = hashlib.sha256(inspect.getsource(used).encode()).hexdigest()
                waiting.append(used)
    return hashlib.sha256(repr(sorted(digests.values())).encode()).hexdigest()


def _used_modules(module: ModuleType) -> list[ModuleType]:
    """The modules among the global names of `module`, and those that define its other global names."""
    found = []
    for value in list(vars(module).values()):
        name = getattr(value, "__module__", None)
        used = value if isinstance(value, ModuleType) else sys.modules.get(name) if isinstance(name, str) else None
        if used is not None:
            found.append(used)
    return found


def _is_of_user(module: ModuleType) -> bool:
    """Whether a module is a file of the user, not of Python or an installed package."""
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py") or module.__name__.partition(".")[0] in PROJECT_PACKAGES:
        return False
    return not any(Path(file).is_relative_to(folder) for folder in installed_folders())


def _taken_name(module: ModuleType | None) -> str:
    """Why a user's file was not imported, if it has the name of an installed module."""
    if module is None:
        return ""
    name = module.__name__.partition(".")[0]
    installed = str(getattr(sys.modules[name], "__file__", None) or "Python itself")
    hidden = [path for path in (Path(f"{name}.py"), Path(name)) if path.exists() and not _is_within(installed, path)]
    if name in PROJECT_PACKAGES:
        return f"; {name} is a package of fdt-sweep: give your module another name"
    return f"; {name} was found at {installed}: give your {hidden[0]} another name" if hidden else ""


def _is_within(file: str, path: Path) -> bool:
    return Path(file).resolve().is_relative_to(path.resolve())
