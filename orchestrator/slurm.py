"""Launch a frozen plan on Slurm: submit its jobs, or show the scripts that would be submitted. Imports no Ray."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from cluster.processes import process_environment
from cluster.profile import ClusterProfile, with_further_profiles
from cluster.ray_node import node_resources
from cluster.slurm_files import Launch, SlurmFiles
from cluster.submission import Submission, make_launch, scripts, submit_sweep
from cluster.sweep_jobs import check_not_launched, job_is_live
from orchestrator.generation import Generation, claim
from orchestrator.plan import SweepPlan
from orchestrator.run_directory import RunDirectory
from orchestrator.slurm_status import follow_run
from orchestrator.status_text import run_status
from orchestrator.trial_needs import trial_needs
from orchestrator.tune_environment import TUNE_ENVIRONMENT
from orchestrator.work import Work, open_work


def claim_on_slurm(run: RunDirectory) -> Generation:
    """Become the driver, for as long as the launch takes. Raises EnvironmentProblem where Slurm does not answer.

    Nor may a driver be at work, or a head wait in Slurm's queue: it would run a plan that it was not submitted for.
    """
    check_not_launched(SlurmFiles(run.slurm))
    return claim(run.driver, job_is_live=job_is_live)


def submit_and_tell(run: RunDirectory, generation: Generation, profile: ClusterProfile, *, follow: bool) -> int:
    """Submit what is left, say what comes next, and with `follow` watch until the sweep ends; the exit code."""
    submitted = submit_run(run, generation, profile)
    if isinstance(submitted, int):
        _say("nothing to do: every trial has ended")
        return submitted
    _say(submission_text(run, submitted))
    if not follow:
        return 0
    try:
        return follow_run(run, lambda: run_status(run), _say)
    except KeyboardInterrupt:
        _say(f"left; the sweep goes on. End it with: fdt-sweep cancel {run.path}")
        return 0


def submit_run(run: RunDirectory, generation: Generation, profile: ClusterProfile) -> int | Submission:
    """Submit the head and as many workers as what is left can use; the exit code where nothing is left to do.

    Hands the right to write over to the head. Raises EnvironmentProblem or UsageError where Slurm refuses; no job is
    left then.
    """
    try:
        work: Work = open_work(run, generation, device=profile.device)
        left = work.backlog.progress().left
        if not left:
            return work.exit_code(interrupted=False)
        workers = wanted_workers(work.plan, profile, left)
    finally:
        generation.release()
    with process_environment(os.environ | TUNE_ENVIRONMENT):  # the jobs inherit it
        launch = _launch(run, profile, work)
        return submit_sweep(SlurmFiles(run.slurm), launch, workers=workers)


def submission_scripts(plan: SweepPlan, run: RunDirectory, profile: ClusterProfile) -> str:
    """The sbatch scripts of a launch of the whole plan, as people read them. Needs no Slurm and writes nothing."""
    workers = wanted_workers(plan, profile, len(plan.cells))
    found = scripts(SlurmFiles(run.slurm), _launch(run, profile), workers=workers)
    return "\n".join(f"----- sbatch script of the {role} -----\n{script}" for role, script in found.items())


def submission_text(run: RunDirectory, submission: Submission) -> str:
    """What was submitted, and the commands that come next."""
    workers = ", ".join(submission.workers) or "none"
    return (
        f"submitted: head job {submission.head}, worker jobs {workers}\n"
        f"  watch:   fdt-sweep status {run.path} --follow\n"
        f"  output:  fdt-sweep logs {run.path}\n"
        f"  end:     fdt-sweep cancel {run.path}"
    )


def wanted_workers(plan: SweepPlan, profile: ClusterProfile, left: int) -> int:
    """Worker jobs that `left` trials can use at the same time. Raises EnvironmentProblem where no trial fits."""
    slots = trial_needs(plan, node=node_resources(profile), profile=profile).slots
    return min(profile.max_workers, math.ceil(left / slots))


def _launch(run: RunDirectory, profile: ClusterProfile, work: Work | None = None) -> Launch:
    path = Path.absolute(run.path)
    command = (profile.python or sys.executable, "-u", "-m", "orchestrator.head", str(path))
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
