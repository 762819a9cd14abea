"""What goes wrong with Slurm, looked for on the login node, and on each kind of node by a short job."""

from __future__ import annotations

import dataclasses
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cluster.doctor.machine import Finding, examine_machine
from cluster.profile.schema import ClusterProfile, with_further_profiles
from cluster.slurm.files import SlurmFiles
from cluster.slurm.launch_sweep import make_launch, scripts, submit_check
from cluster.slurm.queue.slurm_commands import accepts_script, cancel_jobs, partitions, queued_jobs, slurm_version
from cluster.slurm.records import Role
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
    for number, each in enumerate(with_further_profiles(profile)):
        launch = make_launch(runs.absolute() / "doctor", "doctor", [each], ["true"])
        for role, script in scripts(SlurmFiles(runs / "doctor" / "slurm"), launch, workers=1).items():
            if role == "worker" or number == 0:  # the head goes by the first profile
                yield _judge(role, script, known)


def _judge(role: Role, script: str, known: list[str]) -> Finding:
    """What `sbatch --test-only` says of a script: partition, account, limits and resources are checked by Slurm."""
    try:
        return Finding(check=f"{role} job", state="ok", found=accepts_script(script))
    except EnvironmentProblem as refusal:
        mend = f"partition, account, qos and sizes in the profile (partitions: {', '.join(known)})"
        return Finding(check=f"{role} job", state="problem", found=str(refusal), mend=mend)


def submit_test(profile: ClusterProfile, runs: Path, *, patience: float) -> Iterator[Finding]:
    """Run a short job below `runs` as each kind of job that a sweep would have, and pass on what they find.

    Those are a worker of the profile, one of each further profile, and the head where its partition is another. Gives
    up and cancels a job after `patience` seconds.
    """
    runs.mkdir(parents=True, exist_ok=True)
    for each in _kinds_of_jobs(profile):
        yield from _submit_test(each, runs, patience)


def _kinds_of_jobs(profile: ClusterProfile) -> list[ClusterProfile]:
    """Profiles whose workers are as large, and run where, the sweep's workers and its head would."""
    workers = list(with_further_profiles(profile))
    head = profile.head
    if head.placement != "own_job" or head.partition in (None, *(each.partition for each in workers)):
        return workers
    as_worker = dataclasses.replace(
        profile,
        partition=head.partition,
        device="cpu",
        gpus_per_node=0,
        cpus_per_node=head.cpus,
        mem=head.mem,
        sbatch=head.sbatch,
    )
    return [*workers, as_worker]


def _submit_test(profile: ClusterProfile, runs: Path, patience: float) -> Iterator[Finding]:
    where = f"in partition {profile.partition}" if profile.partition else "in the default partition"
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=runs) as name:
        directory = Path(name).absolute()
        files = SlurmFiles(directory / "slurm")
        files.create()
        try:
            job = submit_check(files, make_launch(directory, "doctor", [profile], ["true"]), examine_node, runs)
        except FdtError as refusal:
            yield Finding(check="test job", state="problem", found=f"{where}: {refusal}", mend="see `worker job` above")
            return
        try:
            yield from _await_report(directory, job, where, patience)
        finally:
            cancel_jobs([job])


def _await_report(directory: Path, job: str, where: str, patience: float) -> Iterator[Finding]:
    report, deadline = directory / "report.json", time.monotonic() + patience
    queued, state = True, "PENDING"
    while not report.exists() and queued and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        found = {each.job_id: each for each in queued_jobs()}
        queued = job in found
        state = f"{found[job].state}: {found[job].reason}" if queued else state
    if report.exists():
        node, *findings = json.loads(report.read_text())
        yield Finding(check="test job", state="ok", found=f"job {job} ran on {node} {where}")
        for finding in findings:
            yield Finding(**(finding | {"check": f"{node}: {finding['check']}"}))
    elif queued:
        mend = "wait longer: --patience"
        late = f"job {job} {where} did not end in time ({state})"
        yield Finding(check="test job", state="warning", found=late, mend=mend)
    else:
        lines = SlurmFiles(directory / "slurm").last_lines(job, 3)
        mend = "`python`, `setup` and `container` in the profile; the runs directory must be shared with the nodes"
        found_text = f"job {job} {where} ended without a report: {' / '.join(lines) or 'it left no output here'}"
        yield Finding(check="test job", state="problem", found=found_text, mend=mend)


def examine_node(slurm_directory: str, runs: str, profile: ClusterProfile) -> None:
    """What the test job does: examine its node, and report to a file of the submitter's directory."""
    directory = Path(slurm_directory).parent
    findings = [dataclasses.asdict(finding) for finding in examine_machine(profile, Path(runs))]
    partial = directory / "report.tmp"
    partial.write_text(json.dumps([socket.gethostname(), *findings]))
    partial.replace(directory / "report.json")
