"""What cannot work gives one clear message, and leaves no job."""

import subprocess
from typing import Any

import pytest

from lab.slurm.slurm_runs import SlurmRun

pytestmark = pytest.mark.slurm


@pytest.mark.parametrize(
    ("keys", "status", "message"),
    [
        ({"partition": "mian"}, 2, "unknown Slurm partition 'mian'; did you mean 'main'? (known: abrupt, high, main)"),
        ({"mem": "900G"}, 3, "sbatch refused the worker job: "),
        ({"sbatch": {"constraint": "a100"}}, 3, "sbatch refused the worker job: "),
        ({"head": {"mem": "900G"}}, 3, "sbatch refused the head job: "),
        ({"partitoin": "main"}, 2, "lab.yaml:"),
        ({"cpus_per_node": 1, "trials_per_gpu": 2, "gpus_per_node": 0}, 0, ""),
    ],
)
def test_a_profile_that_slurm_refuses(slurm_run: SlurmRun, keys: dict[str, Any], status: int, message: str) -> None:
    printed = slurm_run.launch(expect=status, **keys)
    if status:
        errors = [line for line in printed.splitlines() if "error" in line]
        assert len(errors) == 1
        assert message in errors[0]
    assert slurm_run.lab.live_jobs() == {} or slurm_run.fdt_sweep("cancel", "--yes")


def test_an_unwritable_run_directory(slurm_run: SlurmRun) -> None:
    command = slurm_run.command("--runs-dir", "/proc/nowhere")
    refused = slurm_run.lab.run(*command, check=False)
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-1].startswith("fdt-sweep: error: cannot write the run directory /proc/nowhere")
    assert slurm_run.lab.live_jobs() == {}


def test_a_machine_without_slurm(slurm_run: SlurmRun) -> None:
    environment = slurm_run.lab.environment({"PATH": "/nowhere"})
    refused = subprocess.run(slurm_run.command(), env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    assert refused.stderr.splitlines() == [
        "fdt-sweep: error: no Slurm on this machine: the command 'squeue' is missing"
    ]
    dry = subprocess.run(slurm_run.command("-n"), env=environment, capture_output=True, text=True, check=True)
    assert "#SBATCH --gres=gpu:1" in dry.stdout


def test_a_controller_that_does_not_answer(slurm_run: SlurmRun) -> None:
    lab = slurm_run.lab
    lab.stop_controller()
    try:
        printed = slurm_run.launch(expect=3)
    finally:
        lab.start_controller()
    assert "fdt-sweep: error: squeue: " in printed
    assert lab.live_jobs() == {}
