"""Frames, statistics, tables, figures and the report from Parquet. Imports neither torch nor Ray.

`analysis.load("runs/paper")` returns tidy frames. `analysis.study("runs/paper")` returns a study, from which tables
(`analysis.tables`), figures (`analysis.figures`) and the report (`analysis.report`) are made.
"""

from __future__ import annotations

from analysis.frames import Results, load
from analysis.study import Study, study

__all__ = ["Results", "Study", "load", "study"]
