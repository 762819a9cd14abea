"""Which networks of a run are still unmeasured, and the command `profile`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.measuring.networks import named_networks
from fdt_core.networks.architectures import architecture
from fdt_core.results.columns import PROFILE_COLUMNS
from lab.sweeps import FDT_SWEEP
from orchestrator.plan.cells import Cell
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.measurements import network_of, unmeasured
from orchestrator.run.run_directory import RunDirectory

SWEEP = """
name: small
models: [vgg11]
templates: [base, c]
datasets: [digits]
seeds: 3
width: 0.125
recipe: {base: quick, epochs: 1}
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that was launched but has not trained anything."""
    file = tmp_path / "small.yaml"
    file.write_text(SWEEP)
    made = RunDirectory(tmp_path / "runs" / "small")
    made.create()
    made.freeze(plan_sweep(file), SWEEP, {})
    return made


def profile(*arguments: str, expect: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*FDT_SWEEP, "profile", "--device", "cpu", *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == expect, done.stderr
    return done


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_network_is_measured_once_for_all_seeds_and_again_on_another_device(run: RunDirectory) -> None:
    cells = run.plan().cells
    assert len(cells) == 6
    lacking = unmeasured(cells, [], "A")
    assert [cell.template for cell in lacking] == ["base", "c"]
    row = measured(lacking[0])
    assert [cell.template for cell in unmeasured(cells, [row], "A")] == ["c"]
    assert [cell.template for cell in unmeasured(cells, [row], "B")] == ["base", "c"]


def measured(cell: Cell, **changes: Any) -> dict[str, Any]:
    """A row of the table `profiles` for the cell's network on device A, as far as it identifies the measurement."""
    columns = cell.columns()
    names = [column.name for column in PROFILE_COLUMNS if column.name in columns]
    return {name: columns[name] for name in names} | {"device_name": "A", **changes}


def planned(tmp_path: Path, *settings: str) -> tuple[Cell, ...]:
    file = tmp_path / "small.yaml"
    file.write_text(SWEEP)
    return plan_sweep(file, ["seeds=1", *settings]).cells


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ("budget={rule: at_most, metric: params}", ["c"]),
        ("resources={cpus: 2}", ["base", "c"]),
        ("recipe.precision=bf16", ["base", "c"]),
        ("recipe.channels_last=false", ["base", "c"]),
        ("width=0.25", ["base", "c"]),
        ("recipe.learning_rate=0.3", []),
        ("recipe.epochs=3", []),
        ("name=renamed", []),
    ],
)
def test_a_measurement_is_for_a_network_and_the_way_it_is_run(tmp_path: Path, change: str, lacking: list[str]) -> None:
    """After a change of the file, exactly the networks that changed are measured again."""
    rows = [measured(cell) for cell in planned(tmp_path)]
    assert sorted(cell.template for cell in unmeasured(planned(tmp_path, change), rows, "A")) == lacking


def test_labels_do_not_make_another_network(tmp_path: Path) -> None:
    """Templates with the same filters share a measurement, and so do data sets with images of the same shape."""
    cells = planned(tmp_path, "datasets=[cifar10, cinic10, cifar100]", "templates=[base]")
    assert {cell.spec.image.classes for cell in unmeasured(cells, [], "A")} == {10, 100}
    assert len(unmeasured(cells, [], "A")) == 2
    (base,) = planned(tmp_path, "templates=[base]")
    assert unmeasured([base], [measured(base, template="of another name", dataset="other", sweep="s")], "A") == ()


def test_measurements_of_version_0_1_0_count(tmp_path: Path) -> None:
    """They have no column for the memory layout."""
    rows = [measured(cell, channels_last=None) for cell in planned(tmp_path)]
    assert unmeasured(planned(tmp_path), rows, "A") == ()


def test_the_networks_of_a_run_are_those_that_the_command_makes_of_the_same_names(run: RunDirectory) -> None:
    named = named_networks("vgg11", ["base", "c"], dataset_info("digits"), 0.125)
    assert {network_of(cell) for cell in run.plan().cells} == set(named)


@pytest.mark.trainer
def test_a_runs_networks_are_measured_once_and_appended_to_its_table(run: RunDirectory) -> None:
    arguments = ("--run", "small", "--runs-dir", str(run.path.parent), "--json")
    assert [row["template"] for row in rows(profile(*arguments))] == ["base", "c"]
    stored = pd.read_parquet(run.results / "profiles")
    assert stored["template"].tolist() == ["base", "c"]
    assert (stored["sweep"] == "small").all()
    assert stored["latency_ms_b16_median"].gt(0).all()
    assert rows(profile(*arguments)) == []


@pytest.mark.trainer
def test_the_command_is_rejected_while_a_driver_holds_the_lease(run: RunDirectory) -> None:
    claim(run.driver)  # now this process is the driver
    refused = profile("--run", "small", "--runs-dir", str(run.path.parent), expect=3)
    assert "another driver is running this sweep" in refused.stderr


CUSTOM_MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.out = nn.Linear(4, 10)

    def forward(self, x):
        return self.out(self.features(x).mean((2, 3)))
"""


@pytest.mark.trainer
def test_a_custom_module_is_measured_with_fvcores_table(tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(CUSTOM_MODULE)
    done = profile("mynet:Net", "--layers", "--threads", "1", cwd=tmp_path)
    assert "features.weight" in done.stdout
    assert "(4, 3, 3, 3)" in done.stdout
    (row,) = rows(profile("mynet:Net", "--json", "--threads", "1", cwd=tmp_path))
    assert row["params"] == 4 * 27 + 4 + 50
    assert row["macs"] == 30 * 30 * 4 * 27 + 40


@pytest.mark.trainer
def test_a_custom_architecture_is_matched_like_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from fdt_core.networks.architectures import architecture\nNET = architecture('vgg11')\n"
    )
    (row,) = rows(profile("mine:NET", "-t", "b", "--width", "0.125", "--json", "--threads", "1", cwd=tmp_path))
    assert row["template"] == "b"
    assert len(set(row["widths"])) == 1
    assert len(row["widths"]) == len(architecture("vgg11").base_widths)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ((), 2, "name models, or a run"),
        (("vgg12",), 2, "did you mean 'vgg1"),
        (("vgg11", "--precision", "fp8"), 2, "known: fp32, tf32, bf16"),
        (("vgg11", "-d", "cifar1"), 2, "did you mean 'cifar10'"),
        pytest.param(
            ("vgg11", "--device", "abacus"),
            2,
            "'abacus' is not a device",
            marks=pytest.mark.trainer,  # imports torch
        ),
    ],
)
def test_wrong_arguments_are_rejected_with_a_reason(arguments: tuple[str, ...], exit_code: int, message: str) -> None:
    assert message in profile(*arguments, expect=exit_code).stderr
