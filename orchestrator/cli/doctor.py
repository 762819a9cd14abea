"""`fdt-sweep doctor`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.options import DataDir, Json, RunsDir, Settings, Verbose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.doctor.findings import Finding
    from cluster.profile.schema import ClusterProfile

_SIGNS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


def doctor(
    cluster: Annotated[
        str, typer.Option(help="Cluster profile: local, slurm, a custom one by name, or a path.")
    ] = "local",
    submit_test: Annotated[
        bool, typer.Option("--submit-test", help="Slurm: run a short job that examines a compute node.")
    ] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for the test job.")] = 600.0,
    set_: Settings = None,
    runs_dir: RunsDir = None,
    data_dir: DataDir = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check for common problems, and report how to fix them. Removes what your dead jobs have left in scratch.

    Exit codes: 0 no problem (there may be warnings), 3 a problem.

    Examples:
      fdt-sweep doctor
      fdt-sweep doctor --cluster slurm --submit-test
    """
    from cluster.doctor.findings import State, worst
    from cluster.profile.schema import load_profile
    from fdt_core.datasets.info import data_directory
    from fdt_core.errors import UsageError
    from fdt_core.results.run_lookup import runs_root
    from orchestrator.cli.set_options import split_settings

    sweep_settings, profile_settings = split_settings(set_ or [])
    if sweep_settings:
        raise UsageError("doctor has no sweep: only --set cluster.KEY=VALUE has an effect here")
    profile = load_profile(cluster, profile_settings)
    if submit_test and profile.kind != "slurm":
        raise UsageError("--submit-test needs a Slurm profile: --cluster slurm, or a custom one")
    findings = []
    wait = patience if submit_test else None
    for finding in _examinations(profile, runs_root(runs_dir), data_directory(data_dir), patience=wait):
        findings.append(finding)
        if not json_:
            print(_text(finding), flush=True)
    if json_:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    raise typer.Exit(ExitCode.PROBLEM if worst(findings) == State.PROBLEM else ExitCode.DONE)


def _examinations(profile: ClusterProfile, runs: Path, data: Path, *, patience: float | None) -> Iterator[Finding]:
    """All findings. The devices are not checked on a login node: they are in the compute nodes."""
    from dataclasses import replace

    from cluster.doctor.machine import examine_machine
    from cluster.doctor.slurm import Waiting, examine_slurm, submit_test

    here = profile if profile.kind == "local" else replace(profile, device="cpu")
    yield from examine_machine(here, runs)
    yield _prepared_data(data)
    if profile.kind == "slurm":
        yield from examine_slurm(profile, runs)
    if patience is not None:
        yield from submit_test(profile, runs, Waiting(patience=patience))


def _prepared_data(data: Path) -> Finding:
    from cluster.doctor.findings import Finding, State
    from fdt_core.datasets.prepared import prepared_description
    from fdt_core.errors import FdtError

    prepared, damaged = [], []
    for description in sorted(data.glob("*/dataset.json")):
        name = description.parent.name
        try:
            prepared_description(name, data)
            prepared.append(name)
        except FdtError as problem:
            damaged.append(str(problem))
    if damaged:
        fix = "fdt-sweep data prepare --replace NAME"
        return Finding(check="data", state=State.PROBLEM, found="; ".join(damaged), fix=fix)
    found = f"{', '.join(prepared) or 'none but the embedded digits'} prepared in {data}"
    return Finding(check="data", state=State.OK, found=found)


def _text(finding: Finding) -> str:
    fix = f"\n{'':25}fix: {finding.fix}" if finding.fix else ""
    return f"{_SIGNS[finding.state]} {finding.check:<16} {finding.found}{fix}"
