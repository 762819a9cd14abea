"""Launch a frozen plan on Slurm: submit its jobs, or show the scripts that would be submitted. Imports no Ray."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.machine.processes import python_command
from cluster.machine.resources import node_resources
from cluster.profile.schema import ClusterProfile, with_further_profiles
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.launch_sweep import Submission, make_launch, scripts, submit_sweep
from cluster.slurm.queue.queue_monitor import QueueMonitor, waiting_lines
from cluster.slurm.queue.sweep_jobs import check_not_launched, job_is_live
from cluster.slurm.records import SlurmLaunch
from fdt_core.exit_codes import ExitCode
from orchestrator.launch.outcome import LaunchAction, LaunchOutcome
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.trial_slots import packed, trial_slots
from orchestrator.run.driver_lease import DriverLease, claim
from orchestrator.run.launch_record import Launch
from orchestrator.run.open_run import OpenRun, open_run
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.follow_run import follow_run


def claim_on_slurm(run: RunDirectory) -> DriverLease:
    """Become the driver, for as long as the launch takes.

    Raises EnvironmentProblem if Slurm does not answer, if another driver is active, or if a head waits in Slurm's
    queue: it would run a plan that it was not submitted for.
    """
    check_not_launched(SlurmFiles(run.slurm))
    return claim(run.driver, job_is_live=job_is_live)


@dataclass(frozen=True, kw_only=True)
class SubmittedRun:
    """A frozen launch, and the jobs that were submitted for it."""

    work: OpenRun
    submission: Submission | None
    """None if nothing is left to train: then no job was submitted."""


def launch_on_slurm(launch: Launch, lease: DriverLease, profile: ClusterProfile, *, follow: bool) -> LaunchOutcome:
    """Submit what is left, report what comes next, and with `follow` watch until the sweep ends."""
    run, submitted = launch.run, submit_run(launch, lease, profile)
    if submitted.submission is None:
        _say(submitted.work.nothing_to_do())
        status = submitted.work.exit_code(interrupted=False)
        return LaunchOutcome(action=LaunchAction.NOTHING_TO_DO, exit_code=status)
    _say(submission_text(run, submitted.submission))
    jobs = (submitted.submission.head, *submitted.submission.workers)
    outcome = LaunchOutcome(action=LaunchAction.SUBMITTED, exit_code=ExitCode.DONE, jobs=jobs)
    if not follow:
        for line in _reasons_to_wait(SlurmFiles(run.slurm)):
            _say(f"  {line}")
        return outcome
    try:
        return replace(outcome, exit_code=follow_run(run, _say))
    except KeyboardInterrupt:
        _say(f"stopped watching; the sweep continues. End it with: fdt-sweep cancel {shlex.quote(str(run.path))}")
        return outcome


def _reasons_to_wait(files: SlurmFiles) -> list[str]:
    """Why the jobs that were just submitted wait, as far as Slurm has reported; empty if it does not answer."""
    jobs = QueueMonitor(files).jobs() or []
    return [*waiting_lines(read_launch(files), [job for job in jobs if job.reason not in ("", "None")])]


def submit_run(launch: Launch, lease: DriverLease, profile: ClusterProfile) -> SubmittedRun:
    """Freeze the launch, and submit the head and as many workers as what is left can use, if anything is left.

    Releases the lease, which the head claims. Raises EnvironmentProblem or UsageError if Slurm refuses; then no job is
    left in the queue, and the previous plan is restored.
    """
    run, before = launch.run, launch.run.frozen_files()
    try:
        work = open_run(launch, lease, device=profile.device)
        left = work.backlog.progress().left
        workers = wanted_workers(work.plan, profile, left) if left else 0
        launch.freeze()
        if not left:
            return SubmittedRun(work=work, submission=None)
    finally:
        lease.release()
    try:
        jobs = _jobs(run, packed(profile, work.plan), work)
        return SubmittedRun(work=work, submission=submit_sweep(SlurmFiles(run.slurm), jobs, workers=workers))
    except BaseException:
        run.restore(before)
        raise


def submission_scripts(plan: SweepPlan, run: RunDirectory, profile: ClusterProfile) -> str:
    """The sbatch scripts of a launch of the whole plan, for display. Needs no Slurm and writes nothing."""
    workers = wanted_workers(plan, profile, len(plan.cells))
    found = scripts(SlurmFiles(run.slurm), _jobs(run, profile), workers=workers)
    return "\n".join(f"----- sbatch script of the {role} -----\n{script}" for role, script in found.items())


def submission_text(run: RunDirectory, submission: Submission) -> str:
    """What was submitted, and the commands that come next."""
    workers, path = ", ".join(submission.workers) or "none", shlex.quote(str(run.path))
    return (
        f"submitted: head job {submission.head}, worker jobs {workers}\n"
        f"  watch:   fdt-sweep status {path} --follow\n"
        f"  output:  fdt-sweep logs {path}\n"
        f"  end:     fdt-sweep cancel {path}"
    )


def wanted_workers(plan: SweepPlan, profile: ClusterProfile, left: int) -> int:
    """How many worker jobs `left` trials can use at the same time. Raises EnvironmentProblem if no trial fits."""
    slots = trial_slots(plan, node=node_resources(profile), profile=profile).slots
    return min(profile.max_workers, math.ceil(left / slots))


def _jobs(run: RunDirectory, profile: ClusterProfile, work: OpenRun | None = None) -> SlurmLaunch:
    path = Path.absolute(run.path)
    command = python_command("orchestrator", "drive-on-slurm", str(path), "--verbose", python=profile.python)
    return make_launch(
        path,
        run.name,
        with_further_profiles(profile),
        command,
        data_directory=work.settings.data_directory if work else "",
        dataset_digests={name: work.recorder.dataset_digest(name) for name in work.plan.datasets()} if work else {},
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr)
