"""What people see of a running sweep on stderr: plain lines, and on a terminal a live display below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.backlog import Progress
from orchestrator.watch import RunningTrial

_SHOWN = 12
"""Running trials in the live display; the rest are counted."""


class Console:
    """A context: `say` prints a line, `show` redraws the live display (nothing where stderr is no terminal)."""

    def __init__(self) -> None:
        self._console = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, markup=False)

    def show(self, progress: Progress, running: list[RunningTrial]) -> None:
        """Redraw the live display."""
        if self._live:
            self._live.update(display(progress, running), refresh=True)


@contextmanager
def silent_stdout() -> Iterator[None]:
    """Nothing is printed on stdout meanwhile: Ray tells there of every process that dies, in a paragraph each."""
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        yield


def display(progress: Progress, running: list[RunningTrial]) -> Group:
    """A bar over all cells and a line for each running trial."""
    ended = progress.total - progress.left
    head = Table.grid(padding=(0, 1))
    head.add_row(
        ProgressBar(total=progress.total, completed=ended, width=40),
        Text(f"{ended}/{progress.total}  failed {progress.failed}  running {len(running)}"),
    )
    trials = Table.grid(padding=(0, 2))
    for trial in running[:_SHOWN]:
        spec = trial.cell.spec
        trials.add_row(
            trial.cell.trial_id,
            f"{spec.model} {trial.cell.template} {spec.dataset} seed {spec.seed}",
            f"epoch {trial.epoch}/{spec.recipe.epochs}",
            "" if trial.test_accuracy is None else f"{trial.test_accuracy:.2f} %",
            "" if trial.images_per_second is None else f"{trial.images_per_second:.0f} images/s",
        )
    more = [Text(f"... and {len(running) - _SHOWN} more")] if len(running) > _SHOWN else []
    return Group(head, trials, *more)
