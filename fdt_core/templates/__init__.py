"""Filter distribution templates: how many filters each slot of an architecture gets.

The paper (section 3, figure 2) draws its templates but gives no formulas; those used here were reconstructed, and
reproduce every parameter count that it prints.
"""

from fdt_core.templates.kinds import Base, ExplicitWidths, Template, Uniform
from fdt_core.templates.piecewise import Piecewise, Points
from fdt_core.templates.registry import BUILT_IN_TEMPLATES, TemplateRegistry, template, template_names

__all__ = [
    "BUILT_IN_TEMPLATES",
    "Base",
    "ExplicitWidths",
    "Piecewise",
    "Points",
    "Template",
    "TemplateRegistry",
    "Uniform",
    "template",
    "template_names",
]
