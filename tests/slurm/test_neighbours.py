"""Neighbours on a node: a sweep and another user's Ray, or another sweep of the same user, leave each other alone."""

import json
import random
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cluster.slurm.files import SlurmFiles
from lab.slurm.faults import await_training, some_worker
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import LONGER_SWEEP, SlurmRun, assert_nothing_left, run_locally, write_profile
from lab.slurm.waiting import wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

NOBODY = 65534
# If this Python or these files are in a user's home, a stranger gets a tree of mounts in which they are visible.
SHOW = """
stage=$1 closed=$2
mkdir "$stage" && mount --bind "$closed" "$stage" && mount -t tmpfs -o mode=755 none "$closed" || exit
for shown in $3; do mkdir -p "$closed/$shown" && mount --bind "$stage/$shown" "$closed/$shown" || exit; done
shift 3
exec "$@"
"""
START = "from ray.scripts.scripts import main; main()"
CLIENT = """
import ray, sys
ray.init(address=sys.argv[1], logging_level="ERROR")
print("answer", ray.get(ray.remote(num_cpus=0)(lambda: 6 * 7).remote()))
"""


class Stranger:
    """Another user with a separate Ray on the same host, started as Ray's documentation says."""

    def __init__(self, lab: SlurmLab, home: Path) -> None:
        self._lab, self._home = lab, home
        self._address = ""
        self._process: subprocess.Popen[str] | None = None

    def start_ray(self) -> None:
        options = ["--head", "--block", "--port=6379", f"--temp-dir={self._home}", "--num-cpus=1"]
        command = [sys.executable, "-c", START, "start", *options, "--object-store-memory=80000000"]
        with (self._home / "log").open("w") as log:
            environment = self._lab.environment({"RAY_AUTH_MODE": "disabled"})
            inside = self._lab.inside(self._as_stranger(command))
            self._process = subprocess.Popen(inside, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
        self._address = "127.0.0.1:6379"
        wait_for(lambda: "Ray runtime started" in (self._home / "log").read_text(), "the stranger's Ray is up", 60)

    def ask(self, address: str = "", token: Path | None = None) -> str:
        """What the stranger's client prints when it connects to `address`, by default to the stranger's Ray."""
        command = [sys.executable, "-c", CLIENT, address or self._address]
        given = (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)} if token else {"RAY_AUTH_MODE": "disabled"}
        )
        return self._lab.run(*self._as_stranger(command), environment=given, check=False).stdout

    def stop_ray(self) -> None:
        if self._process is None:
            return
        for process in psutil.Process(self._process.pid).children(recursive=True)[::-1]:
            process.terminate()
        self._process.wait()
        self._process = None

    def _as_stranger(self, command: list[str]) -> list[str]:
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", f"HOME={self._home}"]
        needed = [Path(sys.base_prefix), Path(sys.prefix).resolve(), Path.cwd()]
        closed = {parent for path in needed for parent in path.parents if not parent.stat().st_mode & stat.S_IXOTH}
        if not closed:
            return [*become, *command]
        home = min(closed)
        shown = " ".join(str(path.relative_to(home)) for path in needed if path.is_relative_to(home))
        stage = self._home / f"stage-{secrets.token_hex(2)}"
        return ["unshare", "--mount", "bash", "-c", SHOW, "show", str(stage), str(home), shown, *become, *command]


@pytest.fixture
def stranger(lab: SlurmLab) -> Iterator[Stranger]:
    home = Path("/tmp") / f"stranger-{secrets.token_hex(2)}"
    home.mkdir()
    shutil.chown(home, NOBODY, NOBODY)
    found = Stranger(lab, home)
    found.start_ray()
    yield found
    found.stop_ray()
    shutil.rmtree(home)


def test_two_sweeps_and_a_strangers_ray_on_one_node(
    lab: SlurmLab, tmp_path: Path, data: Path, stranger: Stranger
) -> None:
    text = LONGER_SWEEP.replace("seeds: 4", "seeds: 2")
    (tmp_path / "local").mkdir()
    reference = run_locally(tmp_path / "local", data, "--no-profile", text=text)
    assert stranger.ask() == "answer 42\n"
    cancelled = SlurmRun(lab=lab, directory=tmp_path / "cancelled", data=data, sweep=LONGER_SWEEP)
    kept = replace(cancelled, directory=tmp_path / "kept", sweep=text)
    for run in (cancelled, kept):
        run.directory.mkdir()
        run.launch("--no-profile", max_workers=1, sbatch={"nodelist": "n1"})
    for run in (cancelled, kept):
        await_training(run)
    assert {some_worker(run, random.Random(0)).node for run in (cancelled, kept)} == {"n1"}
    head = kept.files.read_head()
    assert head is not None
    assert stranger.ask(str(head.address), kept.files.token) == "", "they cannot read the token"
    assert stranger.ask(str(head.address)) == ""

    cancelled.fdt_sweep("cancel", "--yes")
    kept.await_end()
    assert kept.differences(reference) == []
    assert stranger.ask() == "answer 42\n"
    stranger.stop_ray()
    assert_nothing_left(lab)


def test_a_container_and_devices_that_are_named_by_their_ids(lab: SlurmLab, tmp_path: Path) -> None:
    # `unshare --mount` acts as a container: the jobs see another tree of mounts.
    keys = {
        "gpus_per_node": 2,
        "container": "unshare --mount --",
        "setup": ["export CUDA_VISIBLE_DEVICES=MIG-aa,MIG-bb"],
    }
    profile = write_profile(tmp_path / "lab.yaml", lab, **keys)
    lab.run(sys.executable, "-m", "lab.slurm.bare_sweep", "submit", tmp_path, profile, "1")
    files = SlurmFiles(tmp_path / "slurm")
    seen = files.directory / "seen.json"
    wait_for(lambda: seen.exists() and len(json.loads(seen.read_text())) == 2, "tasks have run on both devices", 120)
    assert sorted(place[2] for place in json.loads(seen.read_text())) == ["MIG-aa", "MIG-bb"]
    (worker,) = files.read_workers()
    mounts = {Path(f"/proc/{job.pid}/ns/mnt").readlink() for job in lab.batch_processes(worker.node)}
    assert mounts
    assert Path("/proc/self/ns/mnt").readlink() not in mounts
    (files.directory / "finish").touch()
    assert_nothing_left(lab)
