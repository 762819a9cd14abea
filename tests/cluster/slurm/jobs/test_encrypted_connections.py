"""A head and a worker on two hosts, with a listener on the wire between them: who hears what, and who is let in."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.profile.schema import load_profile
from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.certificates import ensure_authority, issue_certificate
from cluster.ray_nodes.credentials import NodeCertificate
from cluster.ray_nodes.ray_node import ray_environment
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.open_head import publish_head
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.records import HeadState, WorkerState
from lab.isolation import can_isolate
from lab.two_hosts import WIRE, Host, two_hosts
from lab.wire_listener import listener, payloads

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not can_isolate(), reason="makes two hosts of network namespaces: needs root and iproute2"),
]

HEAD = """
import sys
from pathlib import Path
from cluster.slurm.jobs.open_head import open_head
with open_head(Path(sys.argv[1])):
    import ray
    @ray.remote(num_cpus=1, runtime_env={"env_vars": {"A": "1"}})  # as Tune starts its actors
    def train(order):
        return "row of " + order
    mark = Path(sys.argv[2]).read_text()
    rows = ray.get([train.remote(f"order {number} {mark}") for number in range(10)])
    print(rows[0], flush=True)
    sys.stdin.read()
"""
WORKER = "import sys; from cluster.slurm.jobs.worker_job import run_worker; run_worker(sys.argv[1], 'site')"
CLIENT = "import ray, sys; ray.init(address=sys.argv[1], logging_level='ERROR'); print('let in')"
CALL = """
import socket, ssl, sys
address = sys.argv[1], int(sys.argv[2])
context = ssl.create_default_context(cafile=sys.argv[3])
context.set_alpn_protocols(["h2"])
if sys.argv[4:]:
    context.load_cert_chain(*sys.argv[4:])
try:
    with context.wrap_socket(socket.create_connection(address, 10), server_hostname=sys.argv[1]) as encrypted:
        print("let in" if encrypted.recv(1) else "refused")
except ConnectionError:
    print("refused")
except ssl.SSLError:
    with socket.create_connection(address, 10) as plain:
        plain.sendall(b"POST /get_runtime_envs_info HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
        print(plain.recv(100).split(b"\\r\\n")[0].decode())
"""
"""What a port says to TLS, with a certificate or without; if it speaks none, its first line in plain HTTP."""


CLOCK_AHEAD = """
import sys, time
from pathlib import Path
from cluster.ray_nodes.certificates import check_accepted, issue_certificate
from cluster.slurm.files import SlurmFiles
ahead = lambda: time.time() + 2 * 3600
credentials = SlurmFiles(Path(sys.argv[1])).credentials(tls=True)
certificate = issue_certificate(credentials, Path(sys.argv[2]), None, until=ahead() + 60, clock=ahead)
check_accepted(sys.argv[3], certificate)
"""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep whose head runs on one host, and its worker, with one CPU, on the other."""

    files: SlurmFiles
    head: Host
    worker: Host
    mark: str
    """In every order of the driver to the worker, and in every row that comes back."""
    answer: str
    """The first row that came back."""
    heard: bytes
    """What a listener on the wire has heard until then."""

    def secret(self) -> str:
        """The token."""
        return self.files.token.read_text()

    def clients(self, *environments: Mapping[str, str]) -> list[str]:
        """What clients on the worker's host print that try to connect to the head."""
        command = self.worker.inside([sys.executable, "-c", CLIENT, self.address()])
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        started = [subprocess.Popen(command, env=each, stdout=pipe, stderr=null, text=True) for each in environments]
        return [client.communicate(timeout=120)[0].strip() for client in started]

    def address(self) -> str:
        record = self.files.read_head()
        assert record is not None
        return str(record.address)


@contextlib.contextmanager
def running_sweep(*, tls: bool) -> Iterator[Sweep]:
    with tempfile.TemporaryDirectory(prefix="f", dir="/tmp") as directory, two_hosts() as (one, other):
        place = Path(directory)
        files, mark = slurm_files(place, tls=tls), secrets.token_hex(16)
        (place / "mark").write_text(mark)
        with (
            listener(one.inside, WIRE, place / "heard"),
            job(one, 1, HEAD, files.directory, place / "mark") as head,
            job(other, 7, WORKER, files.directory) as worker,
        ):
            assert head.stdout is not None
            answer = head.stdout.readline().strip()
            heard = b"|".join(payloads(place / "heard"))
            yield Sweep(files=files, head=one, worker=other, mark=mark, answer=answer, heard=heard)
            head.communicate()
            publish_head(files, "1", HeadState.CLOSED)
            assert worker.wait(60) == 0


def slurm_files(place: Path, *, tls: bool = True) -> SlurmFiles:
    """The files of a sweep that has been launched in `place`."""
    files = SlurmFiles(place / "slurm")
    files.create()
    ensure_token(files.token)
    ensure_authority(files.authority)
    size = {"device": "cpu", "gpus_per_node": 0, "cpus_per_node": 1, "mem": "1G"}
    profile = load_profile("slurm", size | {"network_interface": WIRE, "name": "site", "tls": tls})
    write_record(files.launch, make_launch(place, "sweep", [profile], ["true"]))
    return files


@contextlib.contextmanager
def job(host: Host, number: int, program: str, *arguments: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of a Slurm job on `host`; at exit it is killed if it is still there."""
    variables = {"SLURM_JOB_ID": str(number), "SLURMD_NODENAME": f"n{number}"}
    command = host.inside([sys.executable, "-c", program, *map(str, arguments)])
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=shell() | variables, stdin=pipe, stdout=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def shell() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    with running_sweep(tls=True) as running:
        yield running


@pytest.fixture
def certificate(sweep: Sweep, tmp_path: Path) -> NodeCertificate:
    """A certificate of the sweep for its worker's host."""
    credentials = sweep.files.credentials(tls=True)
    made = issue_certificate(credentials, tmp_path, sweep.worker.address, until=time.time() + 3600)
    assert made is not None
    return made


def test_a_listener_hears_neither_the_token_nor_an_order_nor_a_row(sweep: Sweep) -> None:
    assert sweep.answer == f"row of order 0 {sweep.mark}"
    assert len(sweep.heard) > 10_000
    assert sweep.secret().encode() not in sweep.heard
    assert sweep.mark.encode() not in sweep.heard


def test_every_port_asks_for_a_certificate_but_one_a_node_that_asks_for_the_token(
    sweep: Sweep, certificate: NodeCertificate
) -> None:
    for host in (sweep.head, sweep.worker):
        ports = open_ports(host)
        own = [str(certificate.certificate), str(certificate.key)]
        with_one = [call(sweep.worker, host, port, certificate, own) for port in ports]
        without = [call(sweep.worker, host, port, certificate, []) for port in ports]
        plain = ["HTTP/1.0 401 Unauthorized"]
        assert sorted(with_one) == plain + ["let in"] * (len(ports) - 1)
        assert sorted(without) == plain + ["refused"] * (len(ports) - 1)
        assert len(ports) > 3


def open_ports(host: Host) -> list[int]:
    """The ports of a host that can be reached from others."""
    places = [line.split()[3] for line in host.run("ss", "-ltnH").splitlines()]
    return [int(place.rpartition(":")[2]) for place in places if not place.startswith(("127.", "[::1]"))]


def call(caller: Host, called: Host, port: int, certificate: NodeCertificate, own: list[str]) -> str:
    arguments = [called.address, str(port), str(certificate.authority), *own]
    return caller.run(sys.executable, "-c", CALL, *arguments).strip()


def test_a_client_needs_the_token_and_a_certificate_of_this_sweep(
    sweep: Sweep, certificate: NodeCertificate, tmp_path: Path
) -> None:
    token, wrong = sweep.files.token, ensure_token(tmp_path / "wrong")
    (tmp_path / "another").mkdir()
    stranger = issue_certificate(
        slurm_files(tmp_path / "another").credentials(tls=True), tmp_path / "another", None, until=time.time() + 3600
    )
    answers = sweep.clients(
        ray_environment(token, shell(), certificate),
        ray_environment(token, shell()),
        ray_environment(token, shell(), stranger),
        ray_environment(wrong, shell(), certificate),
    )
    assert answers == ["let in", "", "", ""]


def test_a_node_whose_clock_is_two_hours_ahead_learns_why_it_cannot_join(sweep: Sweep, tmp_path: Path) -> None:
    arguments = [str(sweep.files.directory), str(tmp_path), sweep.address()]
    command = sweep.worker.inside([sys.executable, "-c", CLOCK_AHEAD, *arguments])
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("it refuses this node's certificate; do their clocks agree?")


def test_a_worker_of_another_sweep_is_refused_at_once_and_says_why(sweep: Sweep, tmp_path: Path) -> None:
    other = slurm_files(tmp_path)
    shutil.copy(sweep.files.token, other.token)
    publish_head(other, "1", HeadState.OPEN, address=sweep.address(), tls=True)
    started_at = time.monotonic()
    with job(sweep.worker, 8, WORKER, other.directory) as worker:
        printed = worker.communicate()[0]
    assert time.monotonic() - started_at < 30
    refused = other.read_worker("8")
    assert refused is not None
    expected = f"no connection to the head at {sweep.address()}: this node refuses the head's certificate: "
    assert (refused.state, refused.why.startswith(expected)) == (WorkerState.REFUSED, True)
    assert f"worker 8: refused {expected}" in printed


def test_without_tls_a_listener_hears_everything() -> None:
    with running_sweep(tls=False) as plain:
        assert plain.answer == f"row of order 0 {plain.mark}"
        assert plain.secret().encode() in plain.heard
        assert f"order 9 {plain.mark}".encode() in plain.heard
        assert f"row of order 9 {plain.mark}".encode() in plain.heard
