"""Certificates (X.509) for the connections between a sweep's Ray nodes: an authority per sweep, and one per node by it.

With them Ray's gRPC encrypts every connection, and both ends ask for a certificate of the sweep's authority. A client
also compares the address that it dials, always an IP address here, with those in the server's certificate.

A node's certificate lasts as long as its job. The authority outlives the sweep: its key lies beside the token and is
as private, so an end to it alone would protect nothing.

Import this module where it is used: `cryptography` takes 50 ms, which local sweeps save, and `doctor` must be able to
report that it is missing.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cluster.machine.network import all_ip_addresses
from cluster.ray_nodes.credentials import Credentials, NodeCertificate
from cluster.ray_nodes.private_files import check_private, create_private_file, replace_private_file
from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import read_text_if_exists

CLOCK_MARGIN = timedelta(hours=1)
"""How much a node's clock may differ from another's: certificates begin earlier and end later by this much."""

AUTHORITY_LASTS = timedelta(days=730)
RENEWED_BEFORE = timedelta(days=365)
"""A launch replaces an authority that has less than this left. So a sweep may run for a year without a launch."""

ANSWER_SECONDS = 5.0

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class _Authority:
    """A certificate authority: whoever has its key can make certificates that the sweep's nodes accept."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def to_pem(self) -> bytes:
        """Key and certificate in one text, so that one file holds both, and neither is ever there without the other."""
        return _key_to_pem(self.key) + _to_pem(self.certificate)


def ensure_authority(path: Path, *, clock: Callable[[], float] = time.time) -> None:
    """Create the sweep's certificate authority (key and certificate in one file, 0600), unless a usable one is there.

    One that ends within a year is replaced: call this only while the sweep has no head, which would refuse the
    certificates of the new one. Raises EnvironmentProblem if the file is not private, or damaged.
    """
    now = datetime.fromtimestamp(clock(), UTC)
    create_private_file(path, _new_authority(now).to_pem())
    if _read_authority(path).certificate.not_valid_after_utc - now < RENEWED_BEFORE:
        replace_private_file(path, _new_authority(now).to_pem())


def issue_certificate(
    credentials: Credentials,
    directory: Path,
    own_address: str | None,
    *,
    until: float,
    clock: Callable[[], float] = time.time,
) -> NodeCertificate | None:
    """Make a key and a certificate for this node, with all of its IP addresses; None if the sweep has no authority.

    Args:
        credentials: those of the sweep.
        directory: the node's private directory, which gets the files.
        own_address: the address that other nodes dial, if it is known: one behind NAT belongs to no interface.
        until: when the node's job ends, in seconds since the epoch; the certificate ends an hour later.
        clock: the time, in seconds since the epoch; the certificate begins an hour earlier.

    Raises:
        EnvironmentProblem: if the authority's file is not private, missing or damaged, or ends before the certificate.
    """
    if credentials.authority is None:
        return None
    issuer = _read_authority(credentials.authority)
    now, end = (datetime.fromtimestamp(moment, UTC) for moment in (clock(), until))
    if (last := issuer.certificate.not_valid_after_utc) < end + CLOCK_MARGIN:
        raise EnvironmentProblem(
            f"the certificate authority {credentials.authority} ends on {last:%Y-%m-%d}, before this job: cancel the "
            "sweep and launch it again, which renews it"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = {*_LOOPBACK, *all_ip_addresses(), *([own_address] if own_address else [])}
    names = [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses)]
    # Every node is a server to the others, and their client.
    roles = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        _certificate(_name("node"), issuer.certificate.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(roles, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    files = NodeCertificate(
        certificate=directory / "node.pem", key=directory / "node.key", authority=directory / "authority.pem"
    )
    replace_private_file(files.key, _key_to_pem(key))
    replace_private_file(files.certificate, _to_pem(certificate))
    replace_private_file(files.authority, _to_pem(issuer.certificate))
    return files


def check_accepted(address: str, certificate: NodeCertificate) -> None:
    """Shake hands with the head at `address` (`ip:port`), as Ray will, to learn the reason if that cannot succeed.

    Ray itself would only report, after a while, that it found no head. Raises EnvironmentProblem if one of the two
    refuses the other's certificate. A head that does not answer is for Ray to deal with.
    """
    for _ in range(2):  # a head that is just ending may hang up too, but only once
        why = _refusal(address, certificate)
        if why is None:
            return
    raise EnvironmentProblem(f"no connection to the head at {address}: {why}")


def _refusal(address: str, certificate: NodeCertificate) -> str | None:
    """Why the handshake with a server fails, if it fails for a certificate."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=certificate.authority)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(["h2"])  # what gRPC speaks
    try:
        with (
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            # A server that refuses its client shows it only after the handshake (TLS 1.3); gRPC's just hangs up.
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if encrypted.recv(1):
                    return None
            return "it refuses this node's certificate; do their clocks agree?"
    except ssl.SSLCertVerificationError as error:
        return f"this node refuses the head's certificate: {error.verify_message}"
    except OSError:
        return None


def _new_authority(now: datetime) -> _Authority:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("authority")
    certificate = (
        _certificate(name, name, key, now, now + AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(key=key, certificate=certificate)


def _read_authority(path: Path) -> _Authority:
    """Raises EnvironmentProblem if the file is not private, missing, or not what `ensure_authority` writes."""
    check_private(path)
    try:
        contents = (read_text_if_exists(path) or "").encode()
        key = serialization.load_pem_private_key(contents, password=None)
        certificate = x509.load_pem_x509_certificate(contents)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("not a pair that this module has made")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnvironmentProblem(
            f"{path} is damaged: it must hold the sweep's certificate authority; when all jobs of the sweep have "
            "ended, remove it and launch again"
        ) from error
    return _Authority(key=key, certificate=certificate)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCK_MARGIN)
        .not_valid_after(end + CLOCK_MARGIN)
    )


def _name(role: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fdt-sweep {role}")])


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    """A key's only uses: those that are named."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
