"""The rows that a sweep left."""

from __future__ import annotations

import pandas as pd

from lab.sweeps import Place


def trials(place: Place) -> pd.DataFrame:
    return pd.read_parquet(place.run / "results" / "trials")
