"""Whether a node runs the same software as the launch: rows from a mixture could not be compared."""

from __future__ import annotations

from collections.abc import Mapping

from fdt_core.provenance import code_digest, versions


def own_fingerprint() -> dict[str, str]:
    """Versions of Python and of the libraries that affect numbers or protocols, and a digest of the project's code."""
    return {**versions(), "code_digest": code_digest()}


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """One sentence on how this machine's software differs from the launching machine's; None if it does not."""
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if not differing:
        return None
    parts = [f"{name} is {found.get(name, 'missing')[:12]} here and {wanted[name][:12]} there" for name in differing]
    return f"not the software that was launched: {', '.join(parts)}; check `python` and `setup` in the profile"
