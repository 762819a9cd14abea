"""From Parquet to frames, statistics, tables, plots and the report. Imports neither torch nor Ray.

`analysis.load("runs/paper")` gives tidy frames; `analysis.study("runs/paper")` a study, from which tables
(`analysis.tables`), figures (`analysis.figures`) and the report (`analysis.report`) follow.
"""

from __future__ import annotations

from analysis.frames import Results, load
from analysis.study import Study, study

__all__ = ["Results", "Study", "load", "study"]
