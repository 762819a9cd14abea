"""`fdt-sweep doctor` on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app


def doctor(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    return done.exit_code, done.output


def test_it_says_what_it_finds_and_how_to_fix_it(tmp_path: Path) -> None:
    token = tmp_path / "study" / "slurm" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    token.chmod(0o644)
    status, printed = doctor("--runs-dir", tmp_path, "--set", "cluster.device=cpu")
    assert status == 3
    assert f"PROBLEM secrets          others may read the secret in {token}" in printed
    assert f"fix it with: chmod 600 {token}" in printed
    token.chmod(0o600)
    status, printed = doctor("--runs-dir", tmp_path, "--set", "cluster.device=cpu", "--json")
    assert status == 0
    assert {finding["state"] for finding in json.loads(printed)} <= {"ok", "warning"}


@pytest.mark.process
def test_a_missing_library_for_certificates_is_reported_and_keeps_no_local_sweep_from_starting(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["cryptography"] = None
import importlib.metadata as metadata
version = metadata.version
def installed(name):
    if name == "cryptography":
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = installed
import orchestrator.launch.local
from orchestrator.cli import app
app(sys.argv[1:])
"""
    arguments = ["doctor", "--runs-dir", str(tmp_path), "--set", "cluster.device=cpu"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True)
    assert "PROBLEM packages" in done.stdout
    assert "cryptography is missing" in done.stdout


def test_a_damaged_data_set_is_found(tmp_path: Path) -> None:
    description = tmp_path / "cifar10" / "dataset.json"
    description.parent.mkdir()
    description.write_text("{")
    status, printed = doctor("--data-dir", tmp_path, "--runs-dir", tmp_path, "--set", "cluster.device=cpu", "--json")
    data = next(finding for finding in json.loads(printed) if finding["check"] == "data")
    assert status == 3
    assert "cifar10" in data["found"]


@pytest.mark.parametrize("arguments", [["--submit-test"], ["--set", "epochs=1"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code != 0
    assert "doctor has no sweep" in str(done.exception) or "--submit-test needs a Slurm profile" in str(done.exception)
