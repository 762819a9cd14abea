"""From Parquet to frames, statistics, tables, plots and the report. Imports neither torch nor Ray."""

from __future__ import annotations

from analysis.frames import Results, load

__all__ = ["Results", "load"]
