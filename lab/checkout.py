"""Paths of the checkout's own files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SWEEPS = ROOT / "sweeps"
