import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.machine.scratch import LONGEST_PATH, private_parent, remove_stale, scratch_directory
from fdt_core.compute.process import private_compiler_caches
from fdt_core.errors import EnvironmentProblem

OWNER = """
import subprocess, sys, time
from cluster.machine.scratch import scratch_directory
with scratch_directory(sys.argv[1]) as path:
    # A child that outlives its parent, in a separate session, like Ray's agents.
    child = subprocess.Popen(["sleep", "300"], stdout=(path / "log").open("w"), start_new_session=True)
    print(path, child.pid, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are too long for Ray's sockets
        yield Path(directory)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_the_directory_is_private_and_removed_at_exit(base: Path) -> None:
    with scratch_directory(str(base)) as path:
        (path / "file").write_text("x")
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_two_owners_do_not_disturb_each_other(base: Path) -> None:
    with scratch_directory(str(base)) as first:
        with scratch_directory(str(base)) as second:
            assert first.exists()
            assert first != second
        assert first.exists()


def test_a_killed_owners_processes_and_directory_disappear(base: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(base)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    path, child = owner.stdout.readline().split()
    assert is_alive(int(child))
    owner.kill()
    assert owner.wait() == -signal.SIGKILL, "it lived until it was killed"
    assert wait_until(lambda: not is_alive(int(child)) and not Path(path).exists())


def test_what_a_power_cut_left_is_removed_by_the_next_start(base: Path) -> None:
    stale = private_parent(str(base)) / "abcdef"
    stale.mkdir()
    (stale / "log").write_text("x")
    with scratch_directory(str(base)) as path:
        assert not stale.exists()
        assert remove_stale(path.parent) == []


def test_a_parent_that_others_may_enter_is_refused() -> None:
    base = Path("/tmp") / f"t{os.getpid()}"
    base.mkdir()
    try:
        (base / f"fdt-{os.getuid()}").mkdir(mode=0o755)
        with pytest.raises(EnvironmentProblem, match="mode 0700"):
            private_parent(str(base))
    finally:
        (base / f"fdt-{os.getuid()}").rmdir()
        base.rmdir()


def test_a_path_too_long_for_rays_sockets_is_refused(tmp_path: Path) -> None:
    base = tmp_path / ("x" * LONGEST_PATH)
    base.mkdir()
    with pytest.raises(EnvironmentProblem, match=f"sockets allow {LONGEST_PATH}.*scratch"):
        private_parent(str(base))


def test_a_missing_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_THERE", "/nowhere")
    with pytest.raises(EnvironmentProblem, match="cannot write to the scratch directory /nowhere"):
        private_parent("$NOT_THERE")


def test_compilers_outside_a_node_use_a_private_directory_that_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", "/tmp/somebody")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    parents = []
    for _ in range(2):
        with private_compiler_caches():
            inductor, triton = (Path(os.environ[name]) for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"))
            assert inductor.parent == triton.parent
            assert inductor != triton
            assert inductor.parent.stat().st_mode & 0o777 == 0o700
            parents.append(inductor.parent)
        assert not inductor.parent.exists()
    assert parents[0] != parents[1], "nobody can make it first"
    assert os.environ["TRITON_CACHE_DIR"] == "/tmp/somebody"
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
