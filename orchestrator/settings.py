"""The `--set KEY=VALUE` options: those for the sweep file, and those for the cluster profile (`cluster.KEY`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fdt_core.errors import UsageError
from fdt_core.yaml_file import parse_scalar

_CLUSTER = "cluster."
_MOST_DOTS = 20


def split_settings(settings: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The settings of the sweep file as given, and those of the profile by key.

    Raises UsageError for one without a `=`, and for a key that no file could hold.
    """
    for setting in settings:
        key, equals, _ = setting.partition("=")
        if not equals or not key.isprintable() or key.count(".") > _MOST_DOTS:
            shown = json.dumps(setting) if len(setting) < 60 else json.dumps(setting[:60]) + "..."
            raise UsageError(f"--set {shown}: must have the form KEY=VALUE")
    sweep = [setting for setting in settings if not setting.startswith(_CLUSTER)]
    profile = {}
    for setting in settings:
        if setting.startswith(_CLUSTER):
            key, _, text = setting.removeprefix(_CLUSTER).partition("=")
            profile[key.strip()] = parse_scalar(text)
    return sweep, profile
