"""The science of filter distribution templates: templates, budget-matched models, a trainer, and the results store.

Knows no Ray, no Slurm and no command line.
"""

from __future__ import annotations

from fdt_core.version import VERSION

__version__ = VERSION
