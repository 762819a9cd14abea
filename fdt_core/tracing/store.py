"""Traces on disk: a network is traced once per user, version of its library and of torch, arguments and image shape."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from fdt_core.files.atomic_files import write_atomically
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing.structure import Structure, digest_of

TRACER_VERSION = 2
"""Raised when tracing changes, so that earlier traces no longer count."""

_log = logging.getLogger(__name__)


def trace_directory() -> Path:
    """The folder of traces: `fdt-sweep/traces` in XDG_CACHE_HOME, or in ~/.cache. It may be deleted at any time."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path("~/.cache").expanduser()
    return base / "fdt-sweep" / "traces"


def trace_file(definition: ModelDefinition, image: ImageShape, source: str) -> Path:
    """The file of a network's trace, whether it exists or not; the arguments are those of `stored_trace`."""
    key = {
        "tracer": TRACER_VERSION,
        "source": source,
        "torch": version("torch"),
        "name": definition.name,
        "arguments": definition.arguments,
        "overrides": [definition.slots, definition.follow, definition.fixed],
        "image": asdict(image),
    }
    return trace_directory() / f"{digest_of(json.dumps(key, sort_keys=True).encode())[:32]}.json"


def stored_trace(
    definition: ModelDefinition, image: ImageShape, source: str, make: Callable[[], Structure]
) -> Structure:
    """The trace of a network, from the folder of traces or else from `make`, whose result is stored.

    Args:
        definition: the network and its overrides.
        image: the shape of the images and the number of classes.
        source: where the network comes from: the library's version, or the digest of a user's module.
        make: traces the network and checks the trace; it raises UsageError for a network that cannot be used.
    """
    path = trace_file(definition, image, source)
    structure = _read(path)
    if structure is None:
        structure = make()
        _write(path, structure)
    return structure


def _read(path: Path) -> Structure | None:
    """A stored trace; None if there is none that can be read."""
    try:
        return Structure.from_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write(path: Path, structure: Structure) -> None:
    """Store a trace. A home directory that is full or read-only costs time at the next start, no more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, structure.to_json())
    except OSError as error:
        _log.info("the trace is not stored: %s", error)
