"""The architectures: VGG, ResNet, and custom ones."""

from fdt_core.networks.architectures.architecture import Architecture, Plan
from fdt_core.networks.architectures.lookup import architecture, architecture_names

__all__ = ["Architecture", "Plan", "architecture", "architecture_names"]
