from pathlib import Path

import pytest

from cluster.slurm_commands import clean_environment, queued_jobs
from fdt_core.errors import EnvironmentProblem


def test_other_jobs_variables_and_habits_go_but_the_cluster_stays() -> None:
    foreign = {
        "SLURM_JOB_ID": "7",
        "SBATCH_PARTITION": "x",
        "SQUEUE_STATES": "x",
        "SRUN_CPU_BIND": "x",
        "SUBMITIT_X": "",
    }
    kept = {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin", "MY_SLURM_NOTE": "y"}
    assert clean_environment(foreign | kept) == kept


def put_squeue(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_what_slurm_complains_of_is_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_squeue(tmp_path, "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", monkeypatch)
    with pytest.raises(EnvironmentProblem, match="squeue: slurm_load_jobs error: Unable to contact slurm controller"):
        queued_jobs()


def test_a_machine_without_slurm_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no Slurm on this machine: the command 'squeue' is missing"):
        queued_jobs()
