"""A launch before its work begins: what is checked, what is refused, and what is frozen."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fdt_core.errors import BudgetRefused, EnvironmentProblem, FdtError, UsageError
from lab.sweeps import SWEEP, Place, fdt_sweep
from orchestrator.cli import app
from orchestrator.launch.prepare import frozen_launch_again
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.launch_record import frozen_launch
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.histories import digits, done, failed, frozen, write
from tests.orchestrator.launch.launches import freeze_at, launch_in_process, launch_of, options


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


def test_filters_keep_cells_of_the_plan_and_are_frozen_with_it(place: Place) -> None:
    run = freeze_at(place, filters=("template!=base", "seed=1"))
    assert [cell.axes for cell in run.plan().cells] == [
        {"model": "vgg11", "variant": "", "template": "c", "dataset": "digits", "seed": 1}
    ]
    assert frozen_launch_again(run, ["checkpoint_interval=5"]).plan.cells == run.plan().cells
    assert len(launch_of(place).plan.cells) == 4
    with pytest.raises(UsageError, match="--filter template=c --filter template!=c: no trial is left"):
        launch_of(place, filters=("template=c", "template!=c"))


def test_commands_pass_their_filters_on(place: Place) -> None:
    file = str(place.directory / "small.yaml")
    chosen = ["--filter", "template=c", "--filter", "seed!=1", "--json", *options(place)[:4]]
    for command in (["plan", file], ["launch", file, "-n"]):
        shown = CliRunner().invoke(app, [*command, *chosen])
        assert shown.exit_code == 0, shown.output
        assert [(trial["template"], trial["seed"]) for trial in json.loads(shown.stdout)["trials"]] == [("c", 0)]
    run = freeze_at(place)
    write(run, [failed(cell) for cell in run.plan().cells])
    shown = CliRunner().invoke(app, ["retry", str(run.path), "all", "-n", "--json", "--filter", "template=c"])
    assert {trial["template"] for trial in json.loads(shown.stdout)["retry"]} == {"c"}
    refused = launch_in_process(place, "--filter", "template=d")
    assert str(refused) == "--filter template=d: no template is 'd' (there are: base, c)"


def test_a_driver_reads_back_what_was_frozen(place: Place) -> None:
    launch = launch_of(place, "seeds=3", limit=2, filters=("template=c",), max_failures=4, profile=False)
    launch.run.create()
    launch.freeze()
    assert frozen_launch(launch.run) == launch


@pytest.mark.study
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
