"""What goes wrong with Slurm, looked for on the login node, and on each kind of node by a short job."""

from __future__ import annotations

import dataclasses
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cluster.doctor import Finding, examine_machine
from cluster.profile import ClusterProfile
from cluster.slurm_commands import accepts_script, cancel_jobs, partitions, queued_jobs, slurm_version
from cluster.slurm_files import Role, SlurmFiles
from cluster.submission import make_launch, scripts, submit_check
from fdt_core.errors import EnvironmentProblem, FdtError

POLL_SECONDS = 1.0


def examine_slurm(profile: ClusterProfile, runs: Path) -> Iterator[Finding]:
    """Look at Slurm's client, and let Slurm say what it thinks of the head's and a worker's job; submits nothing."""
    try:
        yield Finding(check="slurm", state="ok", found=f"{slurm_version()}, {len(queued_jobs())} jobs of yours queued")
        known = partitions()
    except EnvironmentProblem as problem:
        mend = "run this on a login node, where sbatch and squeue are"
        yield Finding(check="slurm", state="problem", found=str(problem), mend=mend)
        return
    launch = make_launch(runs.absolute() / "doctor", "doctor", [profile], ["true"])
    for role, script in scripts(SlurmFiles(runs / "doctor" / "slurm"), launch, workers=1).items():
        yield _judge(role, script, known)


def _judge(role: Role, script: str, known: list[str]) -> Finding:
    """What `sbatch --test-only` says of a script: partition, account, limits and resources are checked by Slurm."""
    try:
        return Finding(check=f"{role} job", state="ok", found=accepts_script(script))
    except EnvironmentProblem as refusal:
        mend = f"partition, account, qos and sizes in the profile (partitions: {', '.join(known)})"
        return Finding(check=f"{role} job", state="problem", found=str(refusal), mend=mend)


def submit_test(profile: ClusterProfile, runs: Path, *, patience: float) -> Iterator[Finding]:
    """Run a short job of the profile's worker size below `runs`, and pass on what it finds on its node.

    Gives up and cancels the job after `patience` seconds.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=runs) as name:
        directory = Path(name).absolute()
        files = SlurmFiles(directory / "slurm")
        files.create()
        try:
            job = submit_check(files, make_launch(directory, "doctor", [profile], ["true"]), examine_node, runs)
        except FdtError as refusal:
            yield Finding(check="test job", state="problem", found=str(refusal), mend="see `worker job` above")
            return
        try:
            yield from _await_report(directory, job, patience)
        finally:
            cancel_jobs([job])


def _await_report(directory: Path, job: str, patience: float) -> Iterator[Finding]:
    report, deadline = directory / "report.json", time.monotonic() + patience
    queued, state = True, "PENDING"
    while not report.exists() and queued and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        found = {each.job_id: each for each in queued_jobs()}
        queued = job in found
        state = f"{found[job].state}: {found[job].reason}" if queued else state
    if report.exists():
        node, *findings = json.loads(report.read_text())
        yield Finding(check="test job", state="ok", found=f"job {job} ran on {node}")
        for finding in findings:
            yield Finding(**(finding | {"check": f"{node}: {finding['check']}"}))
    elif queued:
        mend = "wait longer: --patience"
        yield Finding(check="test job", state="warning", found=f"job {job} did not end in time ({state})", mend=mend)
    else:
        output = SlurmFiles(directory / "slurm").output(job)
        lines = output.read_text(errors="replace").strip().splitlines()[-3:] if output.exists() else []
        mend = "`python`, `setup` and `container` in the profile; the runs directory must be shared with the nodes"
        found_text = f"job {job} ended without a report: {' / '.join(lines) or 'it left no output here'}"
        yield Finding(check="test job", state="problem", found=found_text, mend=mend)


def examine_node(slurm_directory: str, runs: str, profile: ClusterProfile) -> None:
    """What the test job does: examine its node, and report to a file of the submitter's directory."""
    directory = Path(slurm_directory).parent
    findings = [dataclasses.asdict(finding) for finding in examine_machine(profile, Path(runs))]
    partial = directory / "report.tmp"
    partial.write_text(json.dumps([socket.gethostname(), *findings]))
    partial.replace(directory / "report.json")
