"""The command line's settings: which are the sweep's, which the cluster profile's."""

from __future__ import annotations

import pytest

from fdt_core.errors import UsageError
from orchestrator.cli.set_options import split_settings


def test_settings_of_the_profile_are_read_and_those_of_the_sweep_passed_on() -> None:
    sweep, profile = split_settings(["epochs=1", "cluster.time=10", " cluster.head.cpus = 3", "name=cluster.x"])
    assert sweep == ["epochs=1", "name=cluster.x"]
    assert profile == {"time": 10, "head.cpus": 3}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "--set epochs: must have the form KEY=VALUE"),
        ("cluster.=1", "--set cluster.=1: must have the form KEY=VALUE"),
        ("cluster=slurm", "--set cluster=slurm: --cluster chooses a profile"),
        ("cluster.mem=[1", r"--set cluster\.mem=\[1: is not YAML"),
        ("cluster.name=\x1b[1m", r"--set cluster\.name=\\x1b\[1m: contains the character U\+001B"),
    ],
)
def test_a_setting_of_another_form_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}") as caught:
        split_settings([setting])
    assert str(caught.value).isprintable()
