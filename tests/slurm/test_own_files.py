"""A sweep on Slurm, launched in a folder full of files with the names of modules: no job imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.machine.processes import python_command
from fdt_core.results.equality import done_rows
from lab.slurm.slurm_runs import SlurmRun
from tests.fdt_core.test_import_path import lay_traps

pytestmark = pytest.mark.slurm


def test_no_file_of_the_user_is_run_by_a_job(
    slurm_run: SlurmRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, packages = tmp_path / "here", tmp_path / "on_path"
    marks = []
    for directory, as_packages in ((folder, False), (packages, True)):
        directory.mkdir()
        marks.append(lay_traps(directory, packages=as_packages))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{packages}:")
    monkeypatch.setenv("TUNE_RESULT_DIR", "/proc/nowhere")
    launch = [*python_command("orchestrator"), *slurm_run.command("--wait")[3:]]
    ended = slurm_run.lab.run(*launch, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(done_rows(slurm_run.path / "results")) == 8
    assert not [mark.read_text() for mark in marks if mark.exists()]
