"""What a check of `fdt-sweep doctor` finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How severe a finding is, from the least to the most severe."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check. The fields are the keys of `fdt-sweep doctor --json`."""

    check: str
    state: State
    found: str
    fix: str = ""
    """What to do about it; empty if nothing needs to be done."""


def worst(findings: Sequence[Finding]) -> State:
    """The most severe state among the findings."""
    return max((finding.state for finding in findings), key=list(State).index, default=State.OK)
