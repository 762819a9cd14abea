"""Pareto fronts: the templates that no other beats in both accuracy and a cost."""

from __future__ import annotations

import pandas as pd


def on_front(accuracy: pd.Series[float], cost: pd.Series[float]) -> pd.Series[bool]:
    """Whether each point is on the front: no other is at least as accurate and as cheap, and better in one of the two.

    Points that lack one of the two values are not on the front.
    """
    points = (
        pd.DataFrame({"accuracy": accuracy, "cost": cost})
        .dropna()
        .sort_values(["cost", "accuracy"], ascending=[True, False])
    )
    cheaper = points.groupby("cost")["accuracy"].max().cummax().shift(fill_value=float("-inf"))
    front = (points["accuracy"] > points["cost"].map(cheaper)) & (
        points["accuracy"] == points.groupby("cost")["accuracy"].transform("max")
    )
    return front.reindex(accuracy.index, fill_value=False)
