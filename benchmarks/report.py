"""What all benchmarks share: interleaved timing, a readable table, and one JSON object as the last line of stdout."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

Measured = Mapping[str, float | int | str]


def interleaved_seconds(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each candidate's call in each round, by `clock` (default: the wall clock).

    The candidates take turns within a round, so that a machine that slows down slows all of them. With
    `time.process_time`, work in this process is timed as on an idle machine, even if the machine is busy.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            started = clock()
            call()
            seconds[name].append(clock() - started)
    return seconds


def print_report(name: str, *, ratios: Mapping[str, float], figures: Measured, packages: Iterable[str] = ()) -> None:
    """Print the table and the JSON line of benchmark `name`.

    Args:
        name: the benchmark, as in `python -m benchmarks.NAME`.
        ratios: how many times better ours is than the alternative named by the key; larger is better.
        figures: everything else that was measured; the key contains the unit, as in `seconds_per_epoch`.
        packages: distributions whose versions affect the figures.
    """
    rows = {f"ratio to {key}": value for key, value in ratios.items()} | dict(figures)
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        print(f"{key:<{width}}  {value:,.4g}" if isinstance(value, float) else f"{key:<{width}}  {value}")
    report = {
        "benchmark": name,
        "ratios": _rounded(ratios),
        "figures": _rounded(figures),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }
    print(json.dumps(report), flush=True)


def _rounded(values: Measured) -> dict[str, float | int | str]:
    """Floats with six significant digits: more would only be noise."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}


def _machine() -> dict[str, str | int | float]:
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load_1_minute": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    """The name of the processor as Linux reports it; on other systems, the architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
