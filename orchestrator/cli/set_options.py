"""The `--set KEY=VALUE` options: those for the sweep file, and those for the cluster profile (`cluster.KEY`)."""

from __future__ import annotations

from collections.abc import Sequence

from fdt_core.errors import UsageError
from fdt_core.files.set_options import parse_setting


def split_settings(settings: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """The settings of the sweep file as given, and the values of those of the profile by key (`head.cpus`).

    Raises UsageError for a setting that is not KEY=VALUE.
    """
    sweep, profile = [], {}
    for given in settings:
        setting = parse_setting(given)
        if setting.keys[0] != "cluster":
            sweep.append(given)
        elif len(setting.keys) == 1:
            raise UsageError(f"{setting.text}: --cluster chooses a profile; --set cluster.KEY=VALUE changes it")
        else:
            profile[".".join(setting.keys[1:])] = setting.value
    return sweep, profile


def profile_options(cluster: str, settings: Sequence[str]) -> list[str]:
    """The options that make `fdt-sweep drive` use the same profile: `--cluster`, and the settings of the profile."""
    sweep, _ = split_settings(settings)
    return ["--cluster", cluster, *(f"--set={setting}" for setting in settings if setting not in sweep)]
