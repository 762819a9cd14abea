"""The names of a user's files and variables do not matter: real processes, in folders full of traps."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fdt_core.import_path import PROJECT_ROOT, given_environment, installation_first
from fdt_core.start import name_unknown_user

NAMES = ["cluster", "analysis", "orchestrator", "select", "random", "typing", "numpy", "typer", "yaml"]


def lay_traps(folder: Path, *, packages: bool) -> Path:
    """Write modules that leave a mark when they run; returns the path of the mark."""
    mark = folder / "run"
    for name in NAMES:
        file = folder / name / "__init__.py" if packages else folder / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"open({str(mark)!r}, 'a').write(__name__)\nK = 5\n")
    return mark


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "fdt_core.start", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FDT_"))}
    return subprocess.run(
        command, cwd=cwd, env=environment | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("packages", "on_path"), [(False, False), (True, True)], ids=["files, current directory", "packages, PYTHONPATH"]
)
def test_no_user_module_runs_in_place_of_an_installed_one(tmp_path: Path, packages: bool, on_path: bool) -> None:
    mark = lay_traps(tmp_path, packages=packages)
    variables = {"PYTHONPATH": f"{tmp_path}{os.pathsep}"} if on_path else {}
    done = run("orchestrator", "plan", "s.yaml", cwd=tmp_path, **variables)
    assert done.stderr.startswith("fdt-sweep: error: s.yaml"), done.stderr
    assert done.returncode == 2
    assert not mark.exists(), mark.read_text()


def test_child_processes_import_from_the_installation_first_too(tmp_path: Path) -> None:
    mark = lay_traps(tmp_path, packages=False)
    (tmp_path / "parent.py").write_text(
        "import multiprocessing, subprocess, sys\n"
        "child = 'import select, cluster, random, orchestrator, numpy; print(cluster.__file__)'\n"
        "if __name__ == '__main__':\n"
        "    subprocess.run([sys.executable, '-c', child], check=True)\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(abs, [-7]))\n"
    )
    done = run("parent", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.stdout.splitlines() == [f"{PROJECT_ROOT}/cluster/__init__.py", "[7]"], done.stderr
    assert not mark.exists()


def test_user_modules_are_still_found_on_pythonpath(tmp_path: Path) -> None:
    (tmp_path / "user_module.py").write_text("print('found')\n")
    assert run("user_module", cwd=Path("/"), PYTHONPATH=str(tmp_path)).stdout == "found\n"


def test_the_installation_comes_first_whatever_the_order() -> None:
    library, packages = os.path.dirname(os.__file__), str(Path(pytest.__file__).parent.parent)  # noqa: PTH120 - as there
    assert installation_first(["/a", "/b", library, packages], ["/a", "/b"]) == [
        library,
        packages,
        PROJECT_ROOT,
        "/a",
        "/b",
    ]
    assert installation_first(["/a", PROJECT_ROOT, library], ["/a", PROJECT_ROOT]) == [library, PROJECT_ROOT, "/a"]
    assert installation_first([library, PROJECT_ROOT, packages], []) == [library, PROJECT_ROOT, packages]
    assert installation_first(["/a", library], ["/a", library]) == [library, PROJECT_ROOT, "/a"]


@pytest.mark.parametrize("given", [{}, {"PYTHONPATH": "/a:"}, {"PYTHONPATH": "/a", "PYTHONSAFEPATH": "1"}])
def test_other_programs_get_the_variables_of_the_users_shell(tmp_path: Path, given: dict[str, str]) -> None:
    (tmp_path / "show.py").write_text(
        "import json, os\nfrom fdt_core.import_path import given_environment\n"
        "print(json.dumps([dict(os.environ), given_environment(os.environ)]))\n"
    )
    path = os.pathsep.join(filter(None, [given.get("PYTHONPATH"), str(tmp_path)]))
    changed, restored = json.loads(run("show", cwd=tmp_path, **(given | {"PYTHONPATH": path})).stdout)
    wanted = given | {"PYTHONPATH": path}
    assert {name: value for name, value in restored.items() if name.startswith(("PYTHON", "FDT_GIVEN"))} == wanted
    assert changed["PYTHONSAFEPATH"] == "1"
    assert changed["PYTHONPATH"].split(os.pathsep)[-1] == str(tmp_path)
    assert given_environment({"PYTHONPATH": "/untouched"}) == {"PYTHONPATH": "/untouched"}


@pytest.mark.parametrize(
    ("encoding", "printed"), [("ascii", b"1 +- 2 v ? ?"), ("latin-1", b"1 \xb1 2 v ? ?"), ("utf-8", None)]
)
def test_characters_that_the_encoding_lacks_do_not_end_a_command(
    tmp_path: Path, encoding: str, printed: bytes | None
) -> None:
    text = "1 ± 2 ↓ 字 \udcff"
    (tmp_path / "prints.py").write_text(f"print({text!a}, end='')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": encoding}
    environment.pop("FDT_GIVEN_PYTHONPATH", None)
    command = [sys.executable, "-P", "-m", "fdt_core.start", "prints"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    assert done.stdout == (printed or "1 ± 2 ↓ 字 ?".encode())


def test_a_user_id_without_an_account_gets_a_name_and_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    name_unknown_user(os.getuid())
    assert "LOGNAME" not in os.environ, "this user has an account"
    name_unknown_user(54321)
    assert getpass.getuser() == "54321"
    assert Path.home() == Path("/nonexistent")
