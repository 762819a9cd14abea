"""A launch before its work begins: what is checked, what is refused, what is asked, and what is frozen."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.profile.schema import load_profile
from fdt_core.errors import BudgetRefused, EnvironmentProblem, FdtError
from lab.sweeps import FDT_SWEEP, SWEEP, Place, fdt_sweep
from orchestrator.cli import app
from orchestrator.launch.prepare import checked, new_launch
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.launch_record import Launch, LaunchSettings, frozen_launch
from orchestrator.run.plan_change import change_to
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.histories import digits, done, failed, frozen, write


def launch_of(place: Place, *overrides: str, max_gpu_hours: float | None = None, **settings: Any) -> Launch:
    """A checked launch of the place's sweep file."""
    launch = new_launch(
        place.directory / "small.yaml",
        runs_dir=place.run.parent,
        overrides=overrides,
        settings=LaunchSettings(data_directory=str(place.data), **settings),
    )
    return checked(launch, load_profile("local"), max_gpu_hours=max_gpu_hours)


def freeze_at(place: Place, *overrides: str, **settings: Any) -> RunDirectory:
    launch = launch_of(place, *overrides, **settings)
    launch.run.create()
    launch.freeze()
    return launch.run


def options(place: Place) -> list[str]:
    return ["--runs-dir", str(place.run.parent), "--data-dir", str(place.data), "--no-profile"]


def launch_in_process(place: Place, *arguments: str, **environment: str) -> BaseException | None:
    """`fdt-sweep launch` of the place's sweep file, for launches that come to no work; the error that ended it."""
    command = ["launch", str(place.directory / "small.yaml"), *options(place), *arguments]
    return CliRunner().invoke(app, command, env=environment).exception


def test_the_frozen_plan_tells_where_it_comes_from(place: Place) -> None:
    run = freeze_at(place)
    frozen = run.plan_data()["provenance"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert frozen["git_commit"] in (head.stdout.strip(), None)
    assert "uncommitted_digest" in frozen
    assert {"code_version", "torch_version", "ray_version", "python_version"} <= frozen.keys()
    description = json.loads((place.data / "digits" / "dataset.json").read_text())
    assert frozen["dataset_digests"] == {"digits": description["digest"]}
    assert run.sweep_file.read_text() == SWEEP


def test_changing_the_sweep_file_afterwards_changes_nothing_that_runs(place: Place) -> None:
    run = freeze_at(place)
    before = run.plan()
    place.sweep_file(SWEEP.replace("seeds: 2", "seeds: 5"))
    assert run.plan() == before == plan_sweep(run.sweep_file)


def test_a_driver_reads_back_what_was_frozen(place: Place) -> None:
    launch = launch_of(place, "seeds=3", limit=2, max_failures=4, profile=False)
    launch.run.create()
    launch.freeze()
    assert frozen_launch(launch.run) == launch


def test_too_many_hours_are_refused_with_4_and_make_no_run(place: Place) -> None:
    options = ["--runs-dir", str(place.run.parent), "--data-dir", str(place.data), "--max-gpu-hours", "0"]
    shown = fdt_sweep("launch", str(place.directory / "small.yaml"), *options)
    assert shown.returncode == 4, shown.stderr
    assert "more than --max-gpu-hours 0 (vgg11: nothing measured in this run: assumed" in shown.stderr
    assert not place.run.exists()


def test_given_up_and_reused_trials_are_no_part_of_the_budget(place: Place) -> None:
    run = freeze_at(place)
    cells = run.plan().cells
    write(run, [failed(cell) for cell in cells[2:]])
    other = RunDirectory(place.directory / "runs" / "other")
    write(other, [done(cells[0], digits(place.data)), done(cells[1], "other data")])
    with pytest.raises(BudgetRefused):
        launch_of(place, max_gpu_hours=0.0, reuse=(str(other.path),))
    write(run, [failed(cells[1])])
    launch_of(place, max_gpu_hours=0.0, reuse=(str(other.path),))


def test_a_plan_that_another_version_wrote_is_refused(place: Place) -> None:
    run = freeze_at(place)
    data = run.plan_data()
    del data["trials"][0]["budget_rule"]
    run.plan_file.write_text(json.dumps(data))
    with pytest.raises(
        EnvironmentProblem, match="written by another version of fdt-sweep: launch the sweep file again"
    ):
        run.plan()


FAKE_SLURM = {
    "squeue": "exit 0",
    "scancel": "exit 0",
    "sinfo": "echo gpu",
    "srun": "exit 1",
    "scontrol": "exit 1",
    "sbatch": "echo 'sbatch: error: invalid account' >&2; exit 1",
}


def refusing_slurm(place: Place) -> str:
    """A PATH on which Slurm answers, and refuses every job."""
    tools = place.directory / "slurm tools"
    tools.mkdir()
    for name, script in FAKE_SLURM.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return f"{tools}:{os.environ['PATH']}"


def cluster_file(place: Place) -> str:
    profile = place.directory / "site.yaml"
    profile.write_text("kind: slurm\ndevice: cpu\ngpus_per_node: 0\ncpus_per_node: 1\n")
    return str(profile)


REFUSALS: Mapping[str, tuple[int, Callable[[Place], list[str]]]] = {
    "a wrong value": (2, lambda _: ["--set", "seeds=none"]),
    "a profile that does not exist": (2, lambda _: ["--cluster", "nowhere"]),
    "a run to reuse that does not exist": (2, lambda _: ["--reuse", "nowhere"]),
    "trials that drop out": (2, lambda _: ["--set", "seeds=1"]),
    "data that is not prepared": (3, lambda _: ["--set", "datasets=[cifar10]"]),
    "no such device": (3, lambda _: ["--set", "cluster.device=cuda", "--set", "cluster.gpus_per_node=0", "-y"]),
    "more CPUs than there are": (3, lambda _: ["--set", "resources.cpus=5000", "-y"]),
    "a worker that is too small": (3, lambda p: ["--cluster", cluster_file(p), "--set", "resources.cpus=2", "-y"]),
    "no scratch directory": (3, lambda _: ["--set", "cluster.scratch=/nowhere", "--set", "seeds=1", "-y"]),
    "too many hours": (4, lambda _: ["--max-gpu-hours", "0"]),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_launch_changes_nothing_that_was_frozen(place: Place, kind: str) -> None:
    code, arguments = REFUSALS[kind]
    run = freeze_at(place)
    run.forgive({run.plan().cells[0].trial_id: 1})
    before = frozen(run)
    error = launch_in_process(place, *arguments(place))
    assert isinstance(error, FdtError), error
    assert error.exit_code == code
    assert frozen(run) == before
    claim(run.driver).release()  # nobody is left who says to be the driver


def test_a_launch_that_slurm_refuses_changes_nothing_that_was_frozen(place: Place) -> None:
    run = freeze_at(place)
    before = frozen(run)
    arguments = ["--cluster", cluster_file(place), "--set", "seeds=1", "--yes"]
    error = launch_in_process(place, *arguments, PATH=refusing_slurm(place))
    assert "sbatch refused the head job: invalid account" in str(error)
    assert frozen(run) == before


def test_the_first_launch_leaves_no_plan_where_slurm_refuses_it(place: Place) -> None:
    launch_in_process(place, "--cluster", cluster_file(place), PATH=refusing_slurm(place))
    assert not (place.run / "plan.json").exists()


def test_a_launch_beside_another_driver_changes_nothing_that_was_frozen(place: Place) -> None:
    run = freeze_at(place)
    before, driver = frozen(run), claim(run.driver)
    assert "another driver is running this sweep" in str(launch_in_process(place, "--set", "seeds=3"))
    driver.check()
    assert frozen(run) == before


def test_a_launch_on_other_data_changes_nothing_that_was_frozen(place: Place) -> None:
    run = freeze_at(place)
    write(run, [done(run.plan().cells[0], "other data")])
    before = frozen(run)
    assert "data set digits has changed" in str(launch_in_process(place, "--set", "seeds=3"))
    assert frozen(run) == before


@pytest.mark.process
def test_a_detached_driver_that_cannot_begin_changes_nothing_that_was_frozen(place: Place) -> None:
    run = freeze_at(place)
    before = frozen(run)
    command = ["launch", str(place.directory / "small.yaml"), *options(place), "--detach", "--set", "seeds=3", "--json"]
    ended = fdt_sweep(*command, "--set", "cluster.scratch=/nowhere")
    assert ended.returncode == 3
    told = json.loads(ended.stdout)
    assert (told["action"], told["exit_code"]) == ("could not begin", 3)
    assert told["progress"]["total"] == 4
    assert frozen(run) == before


@pytest.mark.process
def test_a_first_detached_driver_that_cannot_begin_leaves_no_plan(place: Place) -> None:
    command = ["launch", str(place.directory / "small.yaml"), *options(place), "--detach", "--json"]
    ended = fdt_sweep(*command, "--set", "cluster.scratch=/nowhere")
    assert ended.returncode == 3
    assert "/nowhere" in ended.stderr
    assert json.loads(ended.stdout)["progress"] is None
    assert not (place.run / "plan.json").exists()


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
        "progress": {"done": 2, "diverged": 0, "failed": 2, "held_back": 0, "total": 4, "left": 0},
    }
