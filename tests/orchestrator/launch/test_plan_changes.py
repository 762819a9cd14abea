"""A launch that changes the frozen plan: what is shown, what is asked, and what the answer does."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from lab.sweeps import FDT_SWEEP, Place, fdt_sweep
from orchestrator.run.plan_change import change_to
from tests.orchestrator.histories import digits, done, failed, frozen, write
from tests.orchestrator.launch.launches import freeze_at, launch_in_process, launch_of, options


def test_more_seeds_need_no_question_and_are_counted(place: Place) -> None:
    run = freeze_at(place)
    launch = launch_of(place, "seeds=3")
    assert str(change_to(launch)) == "0 trials drop out, 2 are new, 4 stay"
    error = launch_in_process(place, "--set", "seeds=3", "--set", "cluster.scratch=/nowhere")
    assert "nowhere" in str(error), "it got as far as the work"
    assert len(run.plan().cells) == 4


@pytest.mark.process
def test_what_changes_is_shown_before_it_is_launched(place: Place) -> None:
    run = freeze_at(place)
    write(run, [done(cell, digits(place.data)) for cell in run.plan().cells[:3]])
    before = frozen(run)
    again = ["launch", str(place.directory / "small.yaml"), *options(place), "--set", "seeds=[1,2,3]", "-n"]
    assert "2 trials drop out (2 of them finished), 4 are new, 2 stay" in fdt_sweep(*again).stdout
    told = json.loads(fdt_sweep(*again, "--json").stdout)
    assert told["plan_change"] == {"drop_out": 2, "finished": 2, "new": 4, "stay": 2}
    assert frozen(run) == before


def answer(place: Place, word: str, *arguments: str) -> tuple[int, str]:
    """Launch on a terminal and type `word` when asked."""
    leader, terminal = pty.openpty()
    command = [*FDT_SWEEP, "launch", str(place.directory / "small.yaml"), *options(place), *arguments]
    process = subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(terminal)
    os.write(leader, f"{word}\n".encode())
    output, _ = process.communicate(timeout=120)
    os.close(leader)
    return process.returncode, output


@pytest.mark.process
def test_on_a_terminal_the_user_is_asked_and_decides(place: Place) -> None:
    run = freeze_at(place)
    write(run, [done(cell, digits(place.data)) for cell in run.plan().cells])
    before = frozen(run)
    code, output = answer(place, "n", "--set", "seeds=1")
    assert code == 2
    assert "2 trials drop out (2 of them finished), 0 are new, 2 stay" in output
    assert "not launched; nothing was changed" in output
    assert frozen(run) == before
    code, output = answer(place, "y", "--set", "seeds=1")
    assert code == 0, output
    assert "nothing to do: 2 of 2 trials are done" in output
    assert len(run.plan().cells) == 2


@pytest.mark.process
def test_a_damaged_plan_is_replaced_where_the_user_wants_it(place: Place) -> None:
    run = freeze_at(place)
    write(run, [done(cell, digits(place.data)) for cell in run.plan().cells])
    run.plan_file.write_text("{")
    assert "cannot be read: give --yes" in str(launch_in_process(place))
    assert run.plan_file.read_text() == "{"
    command = ["launch", str(place.directory / "small.yaml"), *options(place), "--yes"]
    assert fdt_sweep(*command).returncode == 0
    assert len(run.plan().cells) == 4


@pytest.mark.process
def test_a_launch_with_nothing_to_do_tells_scripts_and_people_how_the_sweep_stands(place: Place) -> None:
    run = freeze_at(place)
    cells = run.plan().cells
    write(run, [*(done(cell, digits(place.data)) for cell in cells[:2]), *(failed(cell) for cell in cells[2:])])
    ended = fdt_sweep("launch", str(place.directory / "small.yaml"), *options(place), "--json")
    assert ended.returncode == 1
    assert f"nothing to do: 2 of 4 trials are done, 2 given up; to try these again: fdt-sweep retry {run.path}" in (
        ended.stderr
    )
    told = json.loads(ended.stdout)
    assert told == {
        "run": str(run.path),
        "sweep": "small",
        "action": "nothing to do",
        "exit_code": 1,
        "process": None,
        "jobs": [],
        "plan_change": {"drop_out": 0, "finished": 0, "new": 0, "stay": 4},
        "progress": {
            "done": 2,
            "diverged": 0,
            "failed": 2,
            "held_back": 0,
            "spared": 0,
            "stopped": 0,
            "pending": 0,
            "may_follow": 0,
            "total": 4,
            "left": 0,
        },
    }
