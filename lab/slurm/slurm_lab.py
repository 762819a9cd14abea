"""A real Slurm of several virtual nodes with fake GPUs on this one machine, for tests.

It lives in network, process and mount namespaces of its own: nothing outside reaches it, it reaches nothing outside,
and when its first process ends, the kernel ends all the others.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.slurm import slurm_config as lab_config

# The first process of the namespaces: it gives the network an address beside the loopback's (slurmdbd insists on one),
# makes sure that the host's name is known, and reaps orphans.
_FIRST_PROCESS = """
set -e
ip link set lo up
ip link add lab0 type veth peer name lab1
ip addr add 10.99.0.1/24 dev lab0
ip link set lab0 up
ip link set lab1 up
{ cat /etc/hosts; echo "127.0.0.1 $(hostname)"; } >"$1"
mount --bind "$1" /etc/hosts
echo ready
while :; do sleep 3600 & wait $!; done
"""


@dataclass
class SlurmLab:
    """One lab. `start` and `stop` it, or use it as a context manager.

    Args:
        root: directory of its files; short, because of sockets.
        nodes: number of virtual nodes, named n1, n2, ...
        gpus: fake GPUs of each node.
        cpus: CPUs that each node claims to have.
        memory: megabytes that each node claims to have.
        accounting: whether slurmdbd (on MariaDB) records the jobs.
    """

    root: Path
    nodes: int = 4
    gpus: int = 2
    cpus: int = 8
    memory: int = 8000
    accounting: bool = False
    _first: subprocess.Popen[str] | None = None
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> SlurmLab:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The lab's life

    def start(self) -> None:
        """Bring everything up and wait until all nodes are idle."""
        for name in ("etc", "run", "log", "spool", "dev", "scratch"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._make_namespaces()
        self._write_configuration()
        self._daemon(
            "munged",
            ["munged", "--foreground", "--force", *self._munge_paths()],
            ready=lambda: (self.root / "run/munge").is_socket(),
        )
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in self.node_names:
            self.start_node(node)
        wait_for(lambda: self.node_states().count("idle") == self.nodes, "all nodes idle")

    def stop(self) -> None:
        """Cancel what runs, end every process of the namespaces, and remove the files."""
        if self._first is not None:
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            for daemon in self._daemons.values():
                daemon.wait()
            self._first.kill()
            self._first.wait()
        self._remove_control_groups()
        shutil.rmtree(self.root, ignore_errors=True)

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it left behind."""
        first_start = not (self.root / "spool/ctld/node_state").exists()
        (self.root / "spool/ctld").mkdir(exist_ok=True)
        self._daemon("slurmctld", ["slurmctld", "-D", *(["-i"] if first_start else [])], ready=self.controller_answers)

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs run on."""
        self._stop_daemon("slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, for the first time or after a crash."""
        (self.root / "spool" / node).mkdir(exist_ok=True)
        self._daemon(f"slurmd-{node}", ["slurmd", "-D", "-N", node])

    def crash_node(self, node: str) -> None:
        """Kill a node's slurmd and every process of its jobs at once, as a power cut would."""
        for process in [*self._slurmstepds(node), *self.job_processes(node)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._stop_daemon(f"slurmd-{node}", signal.SIGKILL)
        for process in self.job_processes(node):  # what was born meanwhile
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    # What the lab is asked

    @property
    def scratch(self) -> Path:
        """Every node's disk for temporary files."""
        return self.root / "scratch"

    @property
    def own_ports(self) -> set[int]:
        """The ports that Slurm itself, with its accounting, listens on."""
        nodes = {lab_config.NODE_PORT + 1 + number for number in range(self.nodes)}
        accounting = {lab_config.ACCOUNTING_PORT, lab_config.DATABASE_PORT} if self.accounting else set()
        return {lab_config.CONTROLLER_PORT} | nodes | accounting

    @property
    def node_names(self) -> list[str]:
        """The virtual nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a user's shell on the lab's login node."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        return kept | {"SLURM_CONF": str(self.root / "etc/slurm.conf"), "OMP_NUM_THREADS": "1"} | dict(extra or {})

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """`command` as it must be started from outside to run in the lab."""
        target = f"--target={self._first_process().pid}"
        return ["nsenter", target, "--net", "--pid", "--mount", f"--wd={Path.cwd()}", *map(str, command)]

    def run(
        self, *command: str | Path, check: bool = True, environment: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab to its end, and give what it printed."""
        done = subprocess.run(
            self.inside(command),
            env=self.environment(environment),
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert not check or done.returncode == 0, f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the lab."""
        return subprocess.Popen(self.inside(command), env=self.environment(), text=True, **options)

    def jobs(self, states: str = "all") -> dict[str, str]:
        """State by job id of the jobs that slurmctld remembers, array tasks one by one."""
        listed = self.run("squeue", "--noheader", "--array", f"--states={states}", "--format=%i %T").stdout
        return dict(line.split() for line in listed.splitlines())

    def live_jobs(self) -> dict[str, str]:
        """State by job id of the jobs that wait, run or end."""
        return self.jobs("PENDING,CONFIGURING,RUNNING,COMPLETING,SUSPENDED")

    def node_states(self) -> list[str]:
        """The state of each node, such as `idle`."""
        listed = self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T", check=False)
        return listed.stdout.split()

    def controller_answers(self) -> bool:
        """Whether slurmctld is up."""
        return self.run("scontrol", "ping", check=False).returncode == 0

    def processes(self) -> list[psutil.Process]:
        """Every process in the lab, Slurm's own included, but for the first and its sleep."""
        first = self._first_process()
        namespace = Path(f"/proc/{first.pid}/ns/pid").readlink()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                inside = Path(f"/proc/{process.pid}/ns/pid").readlink() == namespace
                if inside and first.pid not in (process.pid, process.ppid() if process.name() == "sleep" else None):
                    found.append(process)
        return found

    def foreign_processes(self) -> list[str]:
        """Command lines of the living processes in the lab that are not Slurm's own."""
        own = ("munged", "slurm", ": slurmscriptd", "mariadbd")
        lines = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and not process.name().startswith(own):
                    lines.append(" ".join(process.cmdline()) or process.name())
        return lines

    def job_processes(self, node: str) -> list[psutil.Process]:
        """Processes that jobs started on a node: those below its slurmstepds."""
        found = []
        for step in self._slurmstepds(node):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += step.children(recursive=True)
        return found

    def batch_processes(self, node: str) -> list[psutil.Process]:
        """The first process of each of our jobs on a node; those that end meanwhile are left out."""
        found = []
        for process in self.job_processes(node):
            with contextlib.suppress(psutil.Error):
                if "submitit.core._submit" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def listening_ports(self) -> set[int]:
        """TCP ports in the lab on which somebody listens."""
        return {int(line.split()[3].rpartition(":")[2]) for line in self.run("ss", "-Hltn").stdout.splitlines()}

    # Parts

    def _first_process(self) -> psutil.Process:
        """The process with id 1 in the lab: the only child of the `unshare` that made the namespaces."""
        assert self._first is not None, "the lab is not started"
        return psutil.Process(self._first.pid).children()[0]

    def _make_namespaces(self) -> None:
        self._first = subprocess.Popen(
            [
                *("unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"),
                *("bash", "-c", _FIRST_PROCESS, "lab", str(self.root / "etc/hosts")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._first.stdout is not None
        assert self._first.stderr is not None
        if self._first.stdout.readline() != "ready\n":
            raise RuntimeError(f"the lab's namespaces could not be set up: {self._first.stderr.read()}")

    def _write_configuration(self) -> None:
        key = self.root / "etc/munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for number in range(self.gpus):  # Slurm insists on devices; their numbers become CUDA_VISIBLE_DEVICES
            os.mknod(self.root / f"dev/gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        files = lab_config.files(
            root=self.root,
            host=socket.gethostname(),
            nodes=self.nodes,
            gpus=self.gpus,
            cpus=self.cpus,
            memory=self.memory,
            accounting=self.accounting,
        )
        for name, text in files.items():
            path = self.root / "etc" / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)

    def _munge_paths(self) -> list[str]:
        names = {"socket": "run/munge", "pid-file": "run/munged.pid", "seed-file": "run/munged.seed"}
        places = names | {"key-file": "etc/munge.key", "log-file": "log/munged.log"}
        return [f"--{option}={self.root / place}" for option, place in places.items()]

    def _start_accounting(self) -> None:
        data, mysql_socket = self.root / "mysql", self.root / "run/mysql"
        self.run(
            *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        )
        self._daemon(
            "mariadbd",
            [
                *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={mysql_socket}"),
                *("--bind-address=127.0.0.1", f"--port={lab_config.DATABASE_PORT}", "--skip-name-resolve"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-lock-wait-timeout=900"),
            ],
            ready=mysql_socket.is_socket,
        )
        self.run("mariadb", "--no-defaults", f"--socket={mysql_socket}", "--execute", lab_config.DATABASE_SETUP)
        self._daemon("slurmdbd", ["slurmdbd", "-D"])
        wait_for(
            lambda: self.run("timeout", "5", "sacctmgr", "-n", "show", "cluster", check=False).returncode == 0,
            "slurmdbd answers",
        )
        self.run("timeout", "20", "sacctmgr", "-i", "add", "cluster", "lab", check=False)

    def _daemon(self, name: str, command: Sequence[str], ready: Callable[[], bool] = lambda: True) -> None:
        with (self.root / f"log/{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                self.inside(command),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(ready, f"{name} is ready")

    def _stop_daemon(self, name: str, number: int = signal.SIGTERM) -> None:
        daemon = self._daemons.pop(name)
        for process in psutil.Process(daemon.pid).children():  # nsenter waits for the daemon itself
            process.send_signal(number)
        daemon.wait()

    def _slurmstepds(self, node: str) -> list[psutil.Process]:
        """A slurmstepd does not say which node it serves; the job's processes do."""
        steps = {}
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                parent = process.parent()
                if parent and parent.name().startswith("slurmstepd") and process.environ()["SLURMD_NODENAME"] == node:
                    steps[parent.pid] = parent
        return list(steps.values())

    def _remove_control_groups(self) -> None:
        for node in self.node_names:
            for group in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}"):
                for directory, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        Path(directory).rmdir()


@contextlib.contextmanager
def running_lab(**settings: Any) -> Iterator[SlurmLab]:
    """A lab in a new directory directly below /tmp."""
    with SlurmLab(root=Path("/tmp") / f"lab-{secrets.token_hex(2)}", **settings) as lab:
        yield lab


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Poll until `condition` holds. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.1)
