"""Slurm's notations of time limits and amounts of memory."""

from __future__ import annotations

import re

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")
_MEMORY = re.compile(r"(?P<amount>\d+)(?P<unit>[KMGT]?)B?", re.IGNORECASE)
_BYTES = {"K": 2**10, "M": 2**20, "": 2**20, "G": 2**30, "T": 2**40}


def parse_time_limit(text: str) -> int:
    """Seconds of a finite `--time` value: M, M:S, H:M:S, D-H, D-H:M or D-H:M:S (sbatch's manual, `--time`).

    Raises ValueError for anything else, including UNLIMITED and zero: Slurm never starts a job without an end before a
    maintenance, and its workers could not save in time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a finite time as Slurm writes it, such as 08:00:00 or 1-12:00:00")
    first, second, third = (int(match[part] or 0) for part in ("first", "second", "third"))
    if match["days"] is not None:
        seconds = ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    elif match["third"] is not None:
        seconds = (first * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    if seconds == 0:
        raise ValueError(f"{text!r} is a time limit of zero")
    return seconds


def parse_memory(text: str) -> int:
    """Bytes of a `--mem` value: an integer with K, M, G or T, or in megabytes without a unit. Raises ValueError."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None or int(match["amount"]) == 0:
        raise ValueError(f"{text!r} is not an amount of memory as Slurm writes it, such as 32G or 1500M")
    return int(match["amount"]) * _BYTES[match["unit"].upper()]
