"""`status` without a run: all runs, and a broken one hides no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from fdt_core.results.writer import ResultsWriter
from lab.sweeps import fdt_sweep
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_list import list_runs, runs_text

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    return plan_sweep(DEMO)


def make(root: Path, name: str, plan: SweepPlan, *, changed: float) -> RunDirectory:
    """A frozen run with one done and one given-up trial, last changed at `changed` (seconds since 1970)."""
    run = RunDirectory(root / name)
    run.create()
    run.freeze(plan, DEMO.read_text(), {})
    store = ResultsWriter(run.results)
    done = {**plan.cells[0].columns(), "attempt": 1, "status": "done"}
    store.append(
        "trials", [done, {**plan.cells[1].columns(), "attempt": 1, "status": "failed", "failure_kind": "crash"}]
    )
    store.flush()
    os.utime(run.plan_file, (changed, changed))
    return run


def test_runs_are_listed_with_state_counts_and_time_the_latest_first(tmp_path: Path, plan: SweepPlan) -> None:
    make(tmp_path, "older", plan, changed=1_000_000_000)
    make(tmp_path, "newer", plan, changed=1_700_000_000)
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").write_text("no run")
    newer, older = list_runs(tmp_path)
    assert (newer.name, older.name) == ("newer", "older")
    assert newer.state == "new"
    counts = {"done": 1, "diverged": 0, "failed": 1, "held_back": 0, "spared": 0, "may_follow": 0, "left": 22}
    assert newer.progress == {**counts, "stopped": 0, "pending": 0, "total": 24}
    assert newer.changed == "2023-11-14T22:13:20+00:00"
    local = datetime.fromtimestamp(1_700_000_000).strftime("%Y-%m-%d %H:%M")
    line = runs_text([newer, older], tmp_path).splitlines()[1]
    assert line.split() == ["newer", "new", "1", "1", "22", "24", *local.split()]


def damage(run: RunDirectory, how: str) -> None:
    if how == "no plan":
        run.plan_file.unlink()
    elif how == "a folder as plan":
        run.plan_file.unlink()
        run.plan_file.mkdir()
    elif how == "a folder as status":
        run.status_file.mkdir()
    elif how.startswith("status"):
        run.status_file.write_text(how.removeprefix("status "))
    else:
        run.plan_file.write_bytes(how.encode("latin-1"))


@pytest.mark.parametrize(
    "how", ["no plan", "", "{", "[]", "{}", "null", '{"trials": 3}', "\xff\x00", "a folder as plan"]
)
def test_a_broken_run_is_one_line_among_the_others(tmp_path: Path, plan: SweepPlan, how: str) -> None:
    make(tmp_path, "good", plan, changed=1_000_000_000)
    damage(make(tmp_path, "bad", plan, changed=1_700_000_000), how)
    good, bad = list_runs(tmp_path)
    assert (good.name, good.state) == ("good", "new")
    assert (bad.name, bad.state, bad.progress) == ("bad", "broken", None)
    lines = runs_text([good, bad], tmp_path).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("bad           broken   ")
    assert bad.problem
    assert bad.problem in lines[2]


@pytest.mark.parametrize("how", ["status []", "status 3", 'status {"state": 3}', "a folder as status"])
def test_garbage_in_the_status_hides_no_other_run(tmp_path: Path, plan: SweepPlan, how: str) -> None:
    make(tmp_path, "good", plan, changed=1_000_000_000)
    damage(make(tmp_path, "bad", plan, changed=1_000_000_000), how)
    assert {run.name for run in list_runs(tmp_path)} == {"good", "bad"}
    assert len(runs_text(list_runs(tmp_path), tmp_path).splitlines()) == 3


def test_a_run_whose_driver_died_is_dead(tmp_path: Path, plan: SweepPlan) -> None:
    run = make(tmp_path, "killed", plan, changed=1_000_000_000)
    script = (
        "import json, os, sys, datetime; from pathlib import Path; from orchestrator.run.driver_lease import claim\n"
        "mine = claim(Path(sys.argv[1]) / 'driver')\n"
        "driver = {'pid': os.getpid(), 'host': 'here', 'generation': mine.number}\n"
        "status = {'state': 'running', 'driver': driver, 'running': [],\n"
        "          'written_at': datetime.datetime.now(datetime.UTC).isoformat()}\n"
        "(Path(sys.argv[1]) / 'status.json').write_text(json.dumps(status))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(run.path)], check=False)
    assert [(each.name, each.state) for each in list_runs(tmp_path)] == [("killed", "dead")]


@pytest.mark.process
def test_the_command_lists_runs_as_text_and_json_and_follows_only_one(tmp_path: Path, plan: SweepPlan) -> None:
    make(tmp_path / "runs", "study", plan, changed=1_000_000_000)
    shown = fdt_sweep("status", cwd=tmp_path)
    assert (shown.returncode, len(shown.stdout.splitlines())) == (0, 2)
    (run,) = json.loads(fdt_sweep("status", "--json", cwd=tmp_path).stdout)
    assert (run["name"], run["progress"]["left"], run["problem"]) == ("study", 22, None)
    refused = fdt_sweep("status", "--follow", cwd=tmp_path)
    assert refused.returncode == 2
    assert "name the run to follow" in refused.stderr
    shutil.rmtree(tmp_path / "runs")
    assert "there are no runs in runs" in fdt_sweep("status", cwd=tmp_path).stdout
    assert json.loads(fdt_sweep("status", "--json", cwd=tmp_path).stdout) == []
