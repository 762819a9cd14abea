"""The wheel holds the packages whole, data files included, and nothing else of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "cluster", "fdt_core", "orchestrator")
LEFT_OUT = ("benchmarks", "lab", "tests")

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without a network from a copy of the repository: setuptools writes into the folder it builds."""
    pytest.importorskip("setuptools", minversion="77", reason="pyproject.toml needs setuptools 77 to build")
    copy = tmp_path_factory.mktemp("copy")
    for name in (*PACKAGES, *LEFT_OUT):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    wheels = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    result = subprocess.run([*command, "-w", str(wheels), str(copy)], capture_output=True, text=True, cwd=copy)
    assert result.returncode == 0, result.stderr
    (path,) = wheels.glob("fdt_sweep-*.whl")
    return zipfile.ZipFile(path)


def files_of(package: str) -> set[str]:
    """Every file of a package in the repository but what Python compiles."""
    found = (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in found}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_of_a_package(wheel: zipfile.ZipFile, package: str) -> None:
    assert {name for name in wheel.namelist() if name.startswith(f"{package}/")} == files_of(package)


def test_the_data_files_are_among_them(wheel: zipfile.ZipFile) -> None:
    suffixes = {Path(name).suffix for name in wheel.namelist()}
    assert {".csv", ".yaml", ".html", ".css", ".js"} <= suffixes
    assert all(f"{package}/py.typed" in wheel.namelist() for package in PACKAGES)


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    folders = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)


def test_the_command_line_is_installed(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "fdt-sweep = fdt_core.start:command_line" in wheel.read(name).decode()
