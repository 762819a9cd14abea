"""A real Slurm of several virtual nodes with fake GPUs on this one machine, for tests, in separate namespaces."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.slurm import slurm_config
from lab.slurm.namespaces import Namespaces, remove_control_groups
from lab.slurm.waiting import wait_for


@dataclass
class SlurmLab:
    """One lab. `start` and `stop` it, or use it as a context manager.

    Args:
        root: directory of its files; its path must be short, because it holds sockets.
        nodes: number of virtual nodes, named n1, n2, ...
        gpus: fake GPUs per node.
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
    _namespaces: Namespaces | None = None
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

    # Starting and stopping

    def start(self) -> None:
        """Bring everything up and wait until all nodes are idle."""
        for name in ("etc", "run", "log", "spool", "dev", "scratch"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._namespaces = Namespaces(self.root / "etc/hosts")
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
        """End every process of the lab, and remove its files."""
        if self._namespaces is not None:
            _kill(self.processes())
            for daemon in self._daemons.values():
                daemon.wait()
            self._namespaces.end()
        remove_control_groups([f"slurm_{node}" for node in self.node_names])
        shutil.rmtree(self.root, ignore_errors=True)

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it left when it stopped."""
        first_start = not (self.root / "spool/ctld/node_state").exists()
        (self.root / "spool/ctld").mkdir(exist_ok=True)
        self._daemon("slurmctld", ["slurmctld", "-D", *(["-i"] if first_start else [])], ready=self.controller_answers)

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs keep running."""
        self._stop_daemon("slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, for the first time or after a crash."""
        (self.root / "spool" / node).mkdir(exist_ok=True)
        self._daemon(f"slurmd-{node}", ["slurmd", "-D", "-N", node])

    def crash_node(self, node: str) -> None:
        """Kill a node's slurmd and every process of its jobs at once, as a power cut would."""
        _kill([*self._slurmstepds(node), *self.job_processes(node)])
        self._stop_daemon(f"slurmd-{node}", signal.SIGKILL)
        _kill(self.job_processes(node))  # started meanwhile

    # State

    @property
    def scratch(self) -> Path:
        """The directory for temporary files, the same for every node."""
        return self.root / "scratch"

    @property
    def slurm_ports(self) -> set[int]:
        """The ports on which Slurm's daemons, those for accounting included, listen."""
        nodes = {slurm_config.NODE_PORT + 1 + number for number in range(self.nodes)}
        accounting = {slurm_config.ACCOUNTING_PORT, slurm_config.DATABASE_PORT} if self.accounting else set()
        return {slurm_config.CONTROLLER_PORT} | nodes | accounting

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
        return self._running().inside(command)

    def run(
        self, *command: str | Path, check: bool = True, environment: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab to its end, and capture its output; with `check`, assert that it succeeds."""
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
        """State by job id of the jobs that slurmctld remembers; each array task separately."""
        listed = self.run("squeue", "--noheader", "--array", f"--states={states}", "--format=%i %T").stdout
        return dict(line.split() for line in listed.splitlines())

    def live_jobs(self) -> dict[str, str]:
        """State by job id of the jobs that wait, run or are ending."""
        return self.jobs("PENDING,CONFIGURING,RUNNING,COMPLETING,SUSPENDED")

    def node_states(self) -> list[str]:
        """The state of each node, such as `idle`."""
        listed = self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T", check=False)
        return listed.stdout.split()

    def controller_answers(self) -> bool:
        """Whether slurmctld is up."""
        return self.run("scontrol", "ping", check=False).returncode == 0

    def processes(self) -> list[psutil.Process]:
        """Every process in the lab, Slurm's daemons included."""
        return self._running().processes()

    def other_processes(self) -> list[str]:
        """Command lines of the living processes in the lab that are not Slurm's daemons."""
        daemons = ("munged", "slurm", ": slurmscriptd", "mariadbd")
        lines = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and not process.name().startswith(daemons):
                    lines.append(" ".join(process.cmdline()) or process.name())
        return lines

    def job_processes(self, node: str) -> list[psutil.Process]:
        """Processes that jobs started on a node: the descendants of its slurmstepds."""
        found = []
        for step in self._slurmstepds(node):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += step.children(recursive=True)
        return found

    def batch_processes(self, node: str) -> list[psutil.Process]:
        """The first process of each job of a sweep on a node; those that end meanwhile are skipped."""
        found = []
        for process in self.job_processes(node):
            with contextlib.suppress(psutil.Error):
                if "submitit.core._submit" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def listening_ports(self) -> set[int]:
        """TCP ports in the lab on which a process listens."""
        return {int(line.split()[3].rpartition(":")[2]) for line in self.run("ss", "-Hltn").stdout.splitlines()}

    def _running(self) -> Namespaces:
        assert self._namespaces is not None, "the lab is not started"
        return self._namespaces

    def _write_configuration(self) -> None:
        key = self.root / "etc/munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for number in range(self.gpus):  # Slurm requires devices; their numbers become CUDA_VISIBLE_DEVICES
            os.mknod(self.root / f"dev/gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        files = slurm_config.files(
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
        paths = {"socket": "run/munge", "pid-file": "run/munged.pid", "seed-file": "run/munged.seed"}
        paths |= {"key-file": "etc/munge.key", "log-file": "log/munged.log"}
        return [f"--{option}={self.root / path}" for option, path in paths.items()]

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
                *("--bind-address=127.0.0.1", f"--port={slurm_config.DATABASE_PORT}", "--skip-name-resolve"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-lock-wait-timeout=900"),
            ],
            ready=mysql_socket.is_socket,
        )
        self.run("mariadb", "--no-defaults", f"--socket={mysql_socket}", "--execute", slurm_config.DATABASE_SETUP)
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
        """The slurmstepds of a node. A slurmstepd does not show which node it serves; the job's processes do."""
        steps = {}
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                parent = process.parent()
                if parent and parent.name().startswith("slurmstepd") and process.environ()["SLURMD_NODENAME"] == node:
                    steps[parent.pid] = parent
        return list(steps.values())


@contextlib.contextmanager
def running_lab(**settings: Any) -> Iterator[SlurmLab]:
    """A lab in a new directory directly below /tmp."""
    with SlurmLab(root=Path("/tmp") / f"lab-{secrets.token_hex(2)}", **settings) as lab:
        yield lab


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
