"""A writer that is killed at a chosen step: `python -m tests.fdt_core.results.writer_process RESULTS STEP`.

Appends a trial and three epochs at a time, flushes, and prints the number of trials that are safe. It kills itself at a
call that touches the disk: before the call if STEP is odd, after it if STEP is even.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter


class Steps:
    """Counts calls and kills this process at the chosen one."""

    def __init__(self, fatal: int) -> None:
        self._left, self._before = (fatal + 1) // 2, fatal % 2 == 1

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, counted."""

        def wrapper(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._before:
                os.kill(os.getpid(), signal.SIGKILL)
            value = call(*arguments, **options)
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        return wrapper


def main() -> None:
    """Write until killed."""
    results, steps = Path(sys.argv[1]), Steps(int(sys.argv[2]))
    store = ResultsWriter(results, part_rows=40)  # small parts, so that many are started
    number = read_table(results, "trials").rows.num_rows
    print(number, flush=True)
    os.fsync = steps.counted(os.fsync)
    Path.replace = steps.counted(Path.replace)  # type: ignore[method-assign]  # the very point of this module
    pq.write_table = steps.counted(pq.write_table)
    while True:
        trial_id = f"trial{number}"
        store.append("epochs", [{"trial_id": trial_id, "attempt": 1, "epoch": epoch} for epoch in (1, 2, 3)])
        store.flush("epochs")
        store.append("trials", [{"trial_id": trial_id, "attempt": 1, "widths": [number]}])
        store.flush("trials")
        number += 1
        print(number, flush=True)


if __name__ == "__main__":
    main()
