"""Checks of Slurm: on the login node, and with a short job on each kind of node."""

from __future__ import annotations

import dataclasses
import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.doctor.findings import Finding, State
from cluster.doctor.machine import examine_machine
from cluster.profile.schema import ClusterProfile, with_further_profiles
from cluster.slurm.files import SlurmFiles
from cluster.slurm.launch_sweep import make_launch, scripts, submit_check
from cluster.slurm.queue.slurm_commands import accepts_script, cancel_jobs, partitions, queued_jobs, slurm_version
from cluster.slurm.records import Role
from fdt_core.errors import EnvironmentProblem, FdtError
from fdt_core.files.json_file import parse_json

POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """What a test job found on its node; the contents of its `report.json`."""

    node: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How to wait for a test job.

    Attributes:
        patience: seconds after which a job is given up and cancelled.
        clock: a monotonic clock, in seconds.
        sleep: waits between two looks at the queue.
    """

    patience: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def examine_slurm(profile: ClusterProfile, runs: Path) -> Iterator[Finding]:
    """Check Slurm's client, and have Slurm check the head's and the workers' jobs; submits nothing."""
    try:
        found = f"{slurm_version()}, {len(queued_jobs())} jobs of yours queued"
        yield Finding(check="slurm", state=State.OK, found=found)
        known = partitions()
    except EnvironmentProblem as problem:
        fix = "run this on a login node, where sbatch and squeue are"
        yield Finding(check="slurm", state=State.PROBLEM, found=str(problem), fix=fix)
        return
    for number, each in enumerate(with_further_profiles(profile)):
        launch = make_launch(runs.absolute() / "doctor", "doctor", [each], ["true"])
        for role, script in scripts(SlurmFiles(runs / "doctor" / "slurm"), launch, workers=1).items():
            if role == "worker" or number == 0:  # only the first profile describes the head
                yield _judge(role, script, known)


def _judge(role: Role, script: str, known: list[str]) -> Finding:
    """What `sbatch --test-only` reports on a script: Slurm checks partition, account, limits and resources."""
    try:
        return Finding(check=f"{role} job", state=State.OK, found=accepts_script(script))
    except EnvironmentProblem as refusal:
        fix = f"partition, account, qos and sizes in the profile (partitions: {', '.join(known)})"
        return Finding(check=f"{role} job", state=State.PROBLEM, found=str(refusal), fix=fix)


def submit_test(profile: ClusterProfile, runs: Path, waiting: Waiting) -> Iterator[Finding]:
    """Run a short job below `runs` like each kind of job that a sweep would have, and report what the jobs find.

    The kinds are a worker of the profile, one of each further profile, and the head if its partition is another.
    """
    runs.mkdir(parents=True, exist_ok=True)
    for each in _kinds_of_jobs(profile):
        yield from _submit_test(each, runs, waiting)


def _kinds_of_jobs(profile: ClusterProfile) -> list[ClusterProfile]:
    """Profiles whose workers have the size and the partition of the sweep's workers and of its head."""
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


def _submit_test(profile: ClusterProfile, runs: Path, waiting: Waiting) -> Iterator[Finding]:
    where = f"in partition {profile.partition}" if profile.partition else "in the default partition"
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=runs) as name:
        directory = Path(name).absolute()
        files = SlurmFiles(directory / "slurm")
        files.create()
        try:
            job = submit_check(files, make_launch(directory, "doctor", [profile], ["true"]), examine_node, runs)
        except FdtError as refusal:
            found, fix = f"{where}: {refusal}", "see `worker job` above"
            yield Finding(check="test job", state=State.PROBLEM, found=found, fix=fix)
            return
        try:
            yield from _await_report(directory, job, where, waiting)
        finally:
            cancel_jobs([job])


def _await_report(directory: Path, job: str, where: str, waiting: Waiting) -> Iterator[Finding]:
    path, deadline = directory / "report.json", waiting.clock() + waiting.patience
    is_queued, state = True, "PENDING"
    while not path.exists() and is_queued and waiting.clock() < deadline:
        waiting.sleep(POLL_SECONDS)
        jobs = {each.job_id: each for each in queued_jobs()}
        is_queued = job in jobs
        state = f"{jobs[job].state}: {jobs[job].reason}" if is_queued else state
    if path.exists():
        report = parse_json(path.read_text(), NodeReport, path)
        yield Finding(check="test job", state=State.OK, found=f"job {job} ran on {report.node} {where}")
        for finding in report.findings:
            yield dataclasses.replace(finding, check=f"{report.node}: {finding.check}")
    elif is_queued:
        found = f"job {job} {where} did not end in time ({state})"
        yield Finding(check="test job", state=State.WARNING, found=found, fix="wait longer: --patience")
    else:
        lines = SlurmFiles(directory / "slurm").last_lines(job, 3)
        found = f"job {job} {where} ended without a report: {' / '.join(lines) or 'it left no output here'}"
        fix = "`python`, `setup` and `container` in the profile; the runs directory must be shared with the nodes"
        yield Finding(check="test job", state=State.PROBLEM, found=found, fix=fix)


def examine_node(slurm_directory: str, runs: str, profile: ClusterProfile) -> None:
    """What the test job does: check its node, and write a report to the submitter's directory."""
    directory = Path(slurm_directory).parent
    report = NodeReport(node=socket.gethostname(), findings=tuple(examine_machine(profile, Path(runs))))
    partial = directory / "report.tmp"
    partial.write_text(json.dumps(dataclasses.asdict(report)))
    partial.replace(directory / "report.json")
