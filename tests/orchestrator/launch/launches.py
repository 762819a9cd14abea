"""Launches of a place's sweep file that come to no work."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from cluster.profile.schema import load_profile
from lab.sweeps import Place
from orchestrator.cli import app
from orchestrator.launch.prepare import checked, new_launch
from orchestrator.run.launch_record import Launch, LaunchSettings
from orchestrator.run.run_directory import RunDirectory


def launch_of(place: Place, *overrides: str, max_gpu_hours: float | None = None, **settings: Any) -> Launch:
    """A checked launch of the place's sweep file."""
    launch = new_launch(
        place.directory / "small.yaml",
        runs_dir=place.run.parent,
        overrides=overrides,
        settings=LaunchSettings(data_directory=str(place.data), **settings),
    )
    return checked(launch, load_profile("local"), max_gpu_hours=max_gpu_hours)


def freeze_at(place: Place, *overrides: str, **settings: Any) -> RunDirectory:
    launch = launch_of(place, *overrides, **settings)
    launch.run.create()
    launch.freeze()
    return launch.run


def options(place: Place) -> list[str]:
    return ["--runs-dir", str(place.run.parent), "--data-dir", str(place.data), "--no-profile"]


def launch_in_process(place: Place, *arguments: str, **environment: str) -> BaseException | None:
    """`fdt-sweep launch` of the place's sweep file, for launches that come to no work; the error that ended it."""
    command = ["launch", str(place.directory / "small.yaml"), *options(place), *arguments]
    return CliRunner().invoke(app, command, env=environment).exception
