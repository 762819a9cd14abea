"""The science of filter distribution templates: templates, budget-matched models, a trainer, and the results store.

It is independent of Ray, Slurm and the command line.
"""

from __future__ import annotations

from fdt_core.version import VERSION

TYPE_CHECKING = False  # not typing's: this package is imported before the import path is protected (`import_path`)
if TYPE_CHECKING:
    from typing import Any

    from fdt_core.trained_models import load

__all__ = ["__version__", "load"]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Import `load` on first use: it needs torch, and planning does not."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fdt_core.trained_models import load

    return load
