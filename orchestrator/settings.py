"""The `--set KEY=VALUE` options: those for the sweep file, and those for the cluster profile (`cluster.KEY`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fdt_core.errors import UsageError
from fdt_core.yaml_file import parse_scalar

_CLUSTER = "cluster."


def split_settings(settings: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The settings of the sweep file as given, and those of the profile by key. Raises UsageError without a `=`."""
    for setting in settings:
        if "=" not in setting:
            raise UsageError(f"--set {setting}: must have the form KEY=VALUE")
    sweep = [setting for setting in settings if not setting.startswith(_CLUSTER)]
    profile = {}
    for setting in settings:
        if setting.startswith(_CLUSTER):
            key, _, text = setting.removeprefix(_CLUSTER).partition("=")
            profile[key.strip()] = parse_scalar(text)
    return sweep, profile
