"""A sweep launched in a folder full of files that are called like modules, from a shell full of variables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cluster.machine.processes import python_command
from fdt_core.results.equality import done_rows
from lab.isolation import isolated
from lab.sweeps import SWEEP, Place
from tests.fdt_core.test_import_path import lay_traps

pytestmark = pytest.mark.engine

SHELL = {
    "TUNE_RESULT_DIR": "/proc/nowhere",
    "RAY_ADDRESS": "10.255.255.1:6379",
    "RAY_NAMESPACE": "somebody's",
    "RAY_record_ref_creation_sites": "1",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": '{"runtime_env": {"pip": ["no-such-package"]}}',
    "RAY_RUNTIME_ENV_HOOK": "no_such_module.hook",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "LOGNAME": "somebody",
}


@pytest.mark.parametrize("way", [("--wait",), ("--detach",)])
def test_neither_is_run_nor_changes_anything(place: Place, tmp_path: Path, way: tuple[str, ...]) -> None:
    place.sweep_file(SWEEP.replace("seeds: 2", "seeds: 1").replace("epochs: 8", "epochs: 1"))
    folder, packages = tmp_path / "here", tmp_path / "on_path"
    marks = []
    for directory, as_packages in ((folder, False), (packages, True)):
        directory.mkdir()
        marks.append(lay_traps(directory, packages=as_packages))
        for name in ("ray", "torch", "submitit"):
            (directory / f"{name}.py").write_text("raise SystemExit('not ours')\n")

    def fdt_sweep(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FDT_GIVEN_")}
        return subprocess.run(
            isolated(python_command("orchestrator", *arguments)),
            cwd=folder,
            env=environment | SHELL | {"PYTHONPATH": f"{packages}:", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    options = ["--runs-dir", str(place.directory / "runs"), "--data-dir", str(place.data), "--no-profile"]
    launched = fdt_sweep("launch", str(place.directory / "small.yaml"), *options, *way)
    assert launched.returncode == 0, launched.stderr
    followed = fdt_sweep("status", str(place.run), "--follow")
    assert followed.returncode == 0, followed.stderr
    assert len(done_rows(place.run / "results")) == 2
    drawn = fdt_sweep("report", str(place.run), "--figures", "svg")
    assert drawn.returncode == 0, drawn.stderr
    assert not [mark.read_text() for mark in marks if mark.exists()]
