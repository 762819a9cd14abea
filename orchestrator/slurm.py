"""Launch a frozen plan on Slurm: submit its jobs, or show the scripts that would be submitted. Imports no Ray."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from cluster.processes import process_environment
from cluster.profile import ClusterProfile
from cluster.ray_node import node_resources
from cluster.slurm_files import Launch, SlurmFiles
from cluster.submission import Submission, make_launch, scripts, submit_sweep
from cluster.sweep_jobs import check_not_launched
from orchestrator.generation import Generation
from orchestrator.plan import SweepPlan
from orchestrator.run_directory import RunDirectory
from orchestrator.trial_needs import trial_needs
from orchestrator.tune_environment import TUNE_ENVIRONMENT
from orchestrator.work import Work, open_work


def check_launchable(run: RunDirectory) -> None:
    """Raise EnvironmentProblem where Slurm is missing, does not answer, or has this run's head in its queue."""
    check_not_launched(SlurmFiles(run.slurm))


def submit_run(run: RunDirectory, generation: Generation, profile: ClusterProfile) -> int | Submission:
    """Submit the head and as many workers as what is left can use; the exit code where nothing is left to do.

    Hands the right to write over to the head. Raises EnvironmentProblem or UsageError where Slurm refuses; no job is
    left then.
    """
    try:
        work: Work = open_work(run, generation, device=profile.device)
        left = work.backlog.progress().left
        if not left:
            return work.exit_code(stopped=False)
        workers = wanted_workers(work.plan, profile, left)
    finally:
        generation.release()
    with process_environment(os.environ | TUNE_ENVIRONMENT):  # the jobs inherit it
        return submit_sweep(SlurmFiles(run.slurm), _launch(run, profile), workers=workers)


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


def _launch(run: RunDirectory, profile: ClusterProfile) -> Launch:
    path = Path.absolute(run.path)
    python = profile.python or sys.executable
    return make_launch(path, run.name, [profile], (python, "-u", "-m", "orchestrator.head", str(path)))
