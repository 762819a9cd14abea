"""How networks are run when they are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fdt_core.compute.numerics import Precision


@dataclass(frozen=True, kw_only=True)
class MeasurementSetting:
    """How a network is run when it is measured.

    Args:
        device: 'cpu', 'cuda', 'cuda:1', 'mps', ...
        threads: CPU threads.
        precision: of convolutions and linear layers.
        channels_last: memory layout of weights and images.
    """

    device: str
    threads: int
    precision: Precision = "fp32"
    channels_last: bool = True
