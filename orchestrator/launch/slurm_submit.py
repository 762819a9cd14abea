"""Launch a frozen plan on Slurm: submit its jobs, or show the scripts that would be submitted. Imports no Ray."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import replace
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
from orchestrator.launch.outcome import LaunchOutcome
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.trial_slots import packed, trial_slots
from orchestrator.run.driver_lease import DriverLease, claim
from orchestrator.run.launch import Launch
from orchestrator.run.open_run import OpenRun, open_run
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.follow_run import follow_run


def claim_on_slurm(run: RunDirectory) -> DriverLease:
    """Become the driver, for as long as the launch takes. Raises EnvironmentProblem where Slurm does not answer.

    Nor may a driver be at work, or a head wait in Slurm's queue: it would run a plan that it was not submitted for.
    """
    check_not_launched(SlurmFiles(run.slurm))
    return claim(run.driver, job_is_live=job_is_live)


def submit_and_tell(launch: Launch, lease: DriverLease, profile: ClusterProfile, *, follow: bool) -> LaunchOutcome:
    """Submit what is left, say what comes next, and with `follow` watch until the sweep ends."""
    run, submitted = launch.run, submit_run(launch, lease, profile)
    if isinstance(submitted, LaunchOutcome):
        return submitted
    _say(submission_text(run, submitted))
    outcome = LaunchOutcome(action="submitted", exit_code=ExitCode.DONE, jobs=(submitted.head, *submitted.workers))
    if not follow:
        for line in _reasons_to_wait(SlurmFiles(run.slurm)):
            _say(f"  {line}")
        return outcome
    try:
        return replace(outcome, exit_code=follow_run(run, _say))
    except KeyboardInterrupt:
        _say(f"left; the sweep goes on. End it with: fdt-sweep cancel {shlex.quote(str(run.path))}")
        return outcome


def _reasons_to_wait(files: SlurmFiles) -> list[str]:
    """Why the jobs that were just submitted wait, as far as Slurm has said; empty where it does not answer."""
    jobs = QueueMonitor(files).jobs() or []
    return [*waiting_lines(read_launch(files), [job for job in jobs if job.reason not in ("", "None")])]


def submit_run(launch: Launch, lease: DriverLease, profile: ClusterProfile) -> LaunchOutcome | Submission:
    """Freeze the launch, and submit the head and as many workers as what is left can use, if anything is.

    Hands the right to write over to the head. Raises EnvironmentProblem or UsageError where Slurm refuses; no job is
    left then, and what was frozen before is frozen again.
    """
    run, before = launch.run, launch.run.frozen_files()
    try:
        work = open_run(launch, lease, device=profile.device)
        left = work.backlog.progress().left
        launch.freeze()
        if not left:
            _say(work.nothing_to_do())
            return LaunchOutcome(action="nothing to do", exit_code=work.exit_code(interrupted=False))
        workers = wanted_workers(work.plan, profile, left)
    finally:
        lease.release()
    try:
        return submit_sweep(SlurmFiles(run.slurm), _jobs(run, packed(profile, work.plan), work), workers=workers)
    except BaseException:
        run.restore(before)
        raise


def submission_scripts(plan: SweepPlan, run: RunDirectory, profile: ClusterProfile) -> str:
    """The sbatch scripts of a launch of the whole plan, as people read them. Needs no Slurm and writes nothing."""
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
    """Worker jobs that `left` trials can use at the same time. Raises EnvironmentProblem where no trial fits."""
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
