"""The command line: help that is quick, exit codes that scripts can rely on, nothing left behind by a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.sweeps import fdt_sweep

pytestmark = pytest.mark.process

SWEEPS = Path(__file__).parents[3] / "sweeps"
COMMANDS = ("launch", "plan", "status", "run", "results", "report", "templates")


def test_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys\n"
        "sys.argv = ['fdt-sweep', '--help']\n"
        "from fdt_core.start import command_line\n"
        "try:\n    command_line()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'ray', 'pandas', 'numpy', 'pyarrow', 'pydantic') if name in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = fdt_sweep(command, "--help")
    assert shown.returncode == 0
    assert f"fdt-sweep {command}" in shown.stdout


def test_planning_imports_neither_torch_nor_ray() -> None:
    probe = (
        "import sys\nfrom pathlib import Path\nfrom orchestrator.plan.resolve import plan_sweep\n"
        f"plan_sweep(Path({str(SWEEPS / 'paper.yaml')!r}))\n"
        "print([name for name in ('torch', 'torchvision', 'ray', 'pandas') if name in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_wrong_sweep_file_exits_with_2_in_one_line_and_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nmodels: [vgg11]\ntemplates: [base]\ndatasets: [digits]\nsedes: 3\n")
    shown = fdt_sweep("launch", "bad.yaml", cwd=tmp_path)
    assert shown.returncode == 2
    assert shown.stderr.splitlines() == [
        line
        for line in shown.stderr.splitlines()
        if line.startswith("fdt-sweep: error: bad.yaml:5: sedes: unknown key")
    ]
    assert "did you mean 'seeds'?" in shown.stderr
    assert shown.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_data_that_is_not_prepared_exits_with_3_and_makes_no_run(tmp_path: Path) -> None:
    shown = fdt_sweep("launch", str(SWEEPS / "paper.yaml"), cwd=tmp_path)
    assert shown.returncode == 3
    assert "fdt-sweep data prepare" in shown.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.process
def test_the_plan_of_the_paper_lists_144_trials_as_json(tmp_path: Path) -> None:
    shown = fdt_sweep("plan", str(SWEEPS / "paper.yaml"), "--json", cwd=tmp_path)
    assert shown.returncode == 0
    assert len(json.loads(shown.stdout)["trials"]) == 144


def test_an_unknown_run_is_refused_with_the_runs_there_are(tmp_path: Path) -> None:
    (tmp_path / "runs" / "study").mkdir(parents=True)
    (tmp_path / "runs" / "study" / "plan.json").write_text("{}")
    shown = fdt_sweep("status", "stdy", cwd=tmp_path)
    assert shown.returncode == 2
    assert "did you mean 'study'?" in shown.stderr


@pytest.mark.process
def test_run_trains_one_trial_in_this_process(tmp_path: Path) -> None:
    settings = ("--set", "epochs=1", "--set", "width=0.03125")
    shown = fdt_sweep("run", str(SWEEPS / "debug.yaml"), *settings, "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    row = json.loads(shown.stdout)
    assert row["status"] == "done"
    assert row["epochs"] == 1
    assert 0 <= row["final_test_accuracy"] <= 100
    assert not (tmp_path / "runs").exists()
