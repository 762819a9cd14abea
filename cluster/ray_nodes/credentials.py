"""The files that let a node into a sweep's Ray: the token, and with TLS a certificate of the sweep's own authority."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A sweep's secrets, from which each of its nodes gets what it needs."""

    token: Path
    authority: Path | None = None
    """The sweep's certificate authority; None: the nodes' connections are not encrypted."""


@dataclass(frozen=True, kw_only=True)
class NodeCertificate:
    """The files by which a node shows who it is and recognises the others, in PEM, in the node's private directory."""

    certificate: Path
    key: Path
    authority: Path
    """The authority's certificate, without its key."""

    def variables(self) -> dict[str, str]:
        """What makes Ray encrypt every connection, and refuse those without a certificate of the same authority."""
        return {
            "RAY_USE_TLS": "1",
            "RAY_TLS_SERVER_CERT": str(self.certificate),
            "RAY_TLS_SERVER_KEY": str(self.key),
            "RAY_TLS_CA_CERT": str(self.authority),
        }
