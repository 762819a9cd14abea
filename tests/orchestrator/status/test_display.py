"""The live display's lines, and the console without a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.plan.cells import Cell
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.backlog import Progress
from orchestrator.status.console import Console, display, silent_stdout
from orchestrator.status.status_writer import RunningTrial

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture(scope="module")
def cells() -> Sequence[Cell]:
    return plan_sweep(DEMO).cells


def progress(*, done: int = 0, failed: int = 0, held_back: int = 0, total: int = 24) -> Progress:
    return Progress(done=done, diverged=0, failed=failed, held_back=held_back, total=total)


def bar(shown: Progress) -> str:
    return display(shown, [])[0].partition(" ")[0]


def test_the_bar_grows_with_the_cells_that_need_no_more_work() -> None:
    assert bar(progress()) == "-" * 40
    assert bar(progress(done=10, failed=1, held_back=1)) == "#" * 20 + "-" * 20
    assert bar(progress(done=24)) == "#" * 40
    assert bar(progress(total=0)) == "-" * 40


def test_a_running_trial_shows_what_it_has_reported_so_far(cells: Sequence[Cell]) -> None:
    silent, trained = RunningTrial(cell=cells[0], since=0.0), RunningTrial(cell=cells[1], since=0.0)
    trained.epoch, trained.test_accuracy, trained.images_per_second = 3, 61.5, 140.0
    head, first, second = display(progress(done=1, failed=2), [silent, trained])
    assert head.endswith(" 3/24  failed 2  running 2")
    assert first == f"{cells[0].label.ljust(len(first.rpartition('  epoch')[0]))}  epoch 0/6"
    assert second.split("  ")[-3:] == ["epoch 3/6", "61.50 %", "140 images/s"]
    assert first.index("epoch") == second.index("epoch")


def test_running_trials_beyond_the_twelfth_are_only_counted(cells: Sequence[Cell]) -> None:
    running = [RunningTrial(cell=cell, since=0.0) for cell in cells[:15]]
    lines = display(progress(), running)
    assert len(lines) == 1 + 12 + 1
    assert lines[-1] == "... and 3 more"


def test_without_a_terminal_there_are_lines_and_no_display(cells: Sequence[Cell]) -> None:
    stream = io.StringIO()
    with Console(stream) as console:
        console.say("a line")
        console.show(progress(), [RunningTrial(cell=cells[0], since=0.0)])
    assert stream.getvalue() == "a line\n"


def test_stdout_is_silent_only_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    with silent_stdout():
        print("from Ray")
    print("from the sweep")
    assert capsys.readouterr().out == "from the sweep\n"
