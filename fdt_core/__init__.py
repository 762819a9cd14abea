"""The science of filter distribution templates: templates, budget-matched models, a trainer, and the results store.

Knows no Ray, no Slurm and no command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fdt_core.version import VERSION

if TYPE_CHECKING:
    from fdt_core.trained_models import load

__all__ = ["__version__", "load"]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Find `load` when it is first asked for: it imports torch, which planning does not need."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fdt_core.trained_models import load

    return load
