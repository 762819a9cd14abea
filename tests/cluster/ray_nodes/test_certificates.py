"""Certificates as OpenSSL sees them: which handshakes between nodes succeed, and which are refused."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.machine.network import all_ip_addresses
from cluster.ray_nodes.certificates import check_accepted, ensure_authority, issue_certificate
from cluster.ray_nodes.credentials import Credentials, NodeCertificate
from fdt_core.errors import EnvironmentProblem

HOUR, DAY = 3600.0, 86400.0


def credentials(directory: Path) -> Credentials:
    directory.mkdir(exist_ok=True)
    return Credentials(token=directory / "token", authority=directory / "authority.pem")


def authority(directory: Path, *, clock: Callable[[], float] = time.time) -> Path:
    made = credentials(directory).authority
    assert made is not None
    ensure_authority(made, clock=clock)
    return made


def node(sweep: Path, name: str, *, lasts: float = 8 * HOUR, late: float = 0.0) -> NodeCertificate:
    """The certificate of a node of the sweep in `sweep`; the node's clock is `late` seconds behind."""
    authority(sweep)
    directory = sweep / name
    directory.mkdir()
    now = time.time() - late
    made = issue_certificate(credentials(sweep), directory, None, until=now + lasts, clock=lambda: now)
    assert made is not None
    return made


def handshake(
    server: NodeCertificate, client: NodeCertificate | None, dialled: str = "127.0.0.1", **trusts: Path
) -> str:
    """What comes of a connection between two nodes that both ask for certificates, as Ray's do: `ok`, or why not."""
    contexts = {True: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), False: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
    for is_server, own in ((True, server), (False, client)):
        context = contexts[is_server]
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(trusts.get("client_trusts", (own or server).authority))
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        contexts[False].wrap_bio(to_client, to_server, server_hostname=dialled),
        contexts[True].wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as refusal:
                return str(refusal)
    assert not waiting
    return "ok"


def test_nodes_of_a_sweep_accept_each_other_at_every_address(tmp_path: Path) -> None:
    one, two = node(tmp_path, "one"), node(tmp_path, "two")
    addresses = {"127.0.0.1", "::1", *all_ip_addresses()}
    assert {address: handshake(one, two, address) for address in addresses} == dict.fromkeys(addresses, "ok")


def test_an_address_that_is_not_the_nodes_is_refused(tmp_path: Path) -> None:
    one, two = node(tmp_path, "one"), node(tmp_path, "two")
    assert "IP address mismatch" in handshake(one, two, "192.0.2.7")
    assert "ismatch" in handshake(one, two, "localhost"), "nodes dial addresses, so that no name need be known"


def test_an_address_that_is_no_interfaces_is_in_the_certificate_if_others_dial_it(tmp_path: Path) -> None:
    two = node(tmp_path, "two")
    (tmp_path / "behind").mkdir()
    one = issue_certificate(credentials(tmp_path), tmp_path / "behind", "192.0.2.7", until=time.time() + HOUR)
    assert one is not None
    assert handshake(one, two, "192.0.2.7") == "ok"
    assert handshake(one, two, "127.0.0.1") == "ok"


def test_without_a_certificate_of_this_sweep_nobody_is_let_in(tmp_path: Path) -> None:
    ours, theirs = node(tmp_path / "ours", "one"), node(tmp_path / "theirs", "one")
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in handshake(ours, None)
    assert "CERTIFICATE_VERIFY_FAILED" in handshake(ours, theirs)
    assert "CERTIFICATE_VERIFY_FAILED" in handshake(ours, theirs, client_trusts=ours.authority)


@pytest.mark.parametrize(
    ("late", "expected"), [(0.9 * HOUR, "ok"), (-0.9 * HOUR, "ok"), (-1.1 * HOUR, "not yet valid")]
)
def test_clocks_may_differ_by_an_hour(tmp_path: Path, late: float, expected: str) -> None:
    one, two = node(tmp_path, "one"), node(tmp_path, "two", lasts=1.0, late=late)
    assert expected in handshake(one, two)


def test_a_certificate_ends_an_hour_after_its_job(tmp_path: Path) -> None:
    one, two = node(tmp_path, "one"), node(tmp_path, "two", lasts=HOUR, late=2.1 * HOUR)
    assert "expired" in handshake(one, two)
    made = x509.load_pem_x509_certificate(node(tmp_path, "three", lasts=9 * HOUR).certificate.read_bytes())
    assert made.not_valid_after_utc.timestamp() == pytest.approx(time.time() + 10 * HOUR, abs=60)


def test_an_authority_is_kept_until_it_has_less_than_a_year_left(tmp_path: Path) -> None:
    path, start = authority(tmp_path), time.time()
    first = path.read_bytes()
    authority(tmp_path, clock=lambda: start + 364 * DAY)
    assert path.read_bytes() == first
    authority(tmp_path, clock=lambda: start + 366 * DAY)
    assert path.read_bytes() != first
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_authority_that_ends_before_a_job_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = authority(tmp_path)
    with pytest.raises(EnvironmentProblem, match=rf"{path} ends on \d+-\d+-\d+, before this job: .* launch it again"):
        issue_certificate(credentials(tmp_path), tmp_path, None, until=time.time() + 731 * DAY)


def test_launches_at_the_same_time_agree_on_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: authority(tmp_path).read_bytes(), range(16)))) == 1


def test_keys_are_closed_to_others_and_the_authoritys_stays_where_it_is(tmp_path: Path) -> None:
    made = node(tmp_path, "one")
    files = [tmp_path / "authority.pem", made.key, made.certificate, made.authority]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 4
    assert [b"PRIVATE KEY" in path.read_bytes() for path in files] == [True, True, False, False]
    assert made.variables() == {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": str(made.certificate),
        "RAY_TLS_SERVER_KEY": str(made.key),
        "RAY_TLS_CA_CERT": str(made.authority),
    }


def test_a_sweep_without_an_authority_needs_no_certificate(tmp_path: Path) -> None:
    assert issue_certificate(Credentials(token=tmp_path / "token"), tmp_path, None, until=time.time()) is None
    assert list(tmp_path.iterdir()) == []


def _refusal(path: Path) -> str:
    """What a launch, and so every node, says of the authority at `path`."""
    with pytest.raises(EnvironmentProblem) as at_launch:
        ensure_authority(path)
    with pytest.raises(EnvironmentProblem) as at_join:
        issue_certificate(Credentials(token=path, authority=path), path.parent, None, until=time.time())
    assert str(at_launch.value) == str(at_join.value)
    return str(at_join.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 0.99), followed_by=st.binary(max_size=200))
def test_a_file_that_is_cut_short_or_overwritten_is_damaged(tmp_path: Path, share: float, followed_by: bytes) -> None:
    path = tmp_path / "authority.pem"
    path.unlink(missing_ok=True)
    whole = authority(tmp_path).read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)] + followed_by)
    assert _refusal(path).startswith(f"{path} is damaged: ")


def test_a_key_with_another_certificate_is_damage(tmp_path: Path) -> None:
    path, other = authority(tmp_path), authority(tmp_path / "other").read_bytes()
    key, end = path.read_bytes().partition(b"-----END PRIVATE KEY-----\n")[:2]
    path.write_bytes(key + end + other.partition(b"-----END PRIVATE KEY-----\n")[2])
    assert _refusal(path).startswith(f"{path} is damaged: ")


def test_an_authority_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = authority(tmp_path)
    path.chmod(0o644)
    assert f"chmod 600 {path}" in _refusal(path)


def test_a_node_that_does_not_see_the_authority_says_so(tmp_path: Path) -> None:
    missing = credentials(tmp_path)
    with pytest.raises(EnvironmentProblem, match=f"{missing.authority} cannot be read: No such file"):
        issue_certificate(missing, tmp_path, None, until=time.time())


@contextlib.contextmanager
def head(certificate: NodeCertificate) -> Iterator[str]:
    """A server that asks for certificates, greets those that it accepts and hangs up on others, as Ray's head does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.authority)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                plain = server.accept()[0]
            except OSError:
                return
            with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
                client.sendall(b"welcome")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_node_is_accepted_by_the_head_of_its_sweep(tmp_path: Path) -> None:
    with head(node(tmp_path, "head")) as address:
        check_accepted(address, node(tmp_path, "one"))


@pytest.mark.parametrize(
    ("of_head", "of_node", "why"),
    [
        ({}, {"late": -1.1 * HOUR}, "it refuses this node's certificate; do their clocks agree"),
        ({"late": -1.1 * HOUR}, {}, "this node refuses the head's certificate: certificate is not yet valid"),
    ],
)
def test_a_clock_that_is_wrong_is_named(
    tmp_path: Path, of_head: dict[str, float], of_node: dict[str, float], why: str
) -> None:
    with (
        head(node(tmp_path, "head", **of_head)) as address,
        pytest.raises(EnvironmentProblem, match=f"no connection to the head at {address}: {why}"),
    ):
        check_accepted(address, node(tmp_path, "one", **of_node))


def test_a_head_of_another_sweep_is_refused_with_the_reason(tmp_path: Path) -> None:
    with (
        head(node(tmp_path / "theirs", "head")) as address,
        pytest.raises(EnvironmentProblem, match="this node refuses the head's certificate: self-signed certificate"),
    ):
        check_accepted(address, node(tmp_path / "ours", "one"))


def test_a_head_that_is_gone_is_no_matter_of_certificates(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    check_accepted(address, node(tmp_path, "one"))
