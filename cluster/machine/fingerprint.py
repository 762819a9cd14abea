"""Whether a node runs the same software as the launch: a mixture would give rows that nobody can compare."""

from __future__ import annotations

from collections.abc import Mapping

from fdt_core.provenance import code_digest, versions


def own_fingerprint() -> dict[str, str]:
    """Versions of Python and of the libraries that decide numbers or protocols, and a digest of the project's code."""
    return {**versions(), "code_digest": code_digest()}


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """One clear sentence on what differs from the launching machine; None where nothing does."""
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if not differing:
        return None
    parts = [f"{name} is {found.get(name, 'missing')[:12]} here and {wanted[name][:12]} there" for name in differing]
    return f"not the software that was launched: {', '.join(parts)}; check `python` and `setup` in the profile"
