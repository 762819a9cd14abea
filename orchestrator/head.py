"""The driver of a Slurm sweep: `python -m orchestrator.head RUN_DIRECTORY`, run in the head's job.

Every start of it is a launch: plan minus ledger.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.head import open_head
from cluster.ray_node import node_resources
from cluster.slurm_files import SlurmFiles, read_launch
from cluster.sweep_jobs import job_is_live
from fdt_core.errors import FdtError
from orchestrator.generation import claim
from orchestrator.run_directory import RunDirectory
from orchestrator.trial_needs import trial_needs
from orchestrator.work import EXIT_STOPPED, open_work


def drive_on_slurm(run: RunDirectory) -> int:
    """Run what is left of the frozen plan on the workers that join; returns the exit code.

    Raises EnvironmentProblem where another driver is at work, or the prepared data is not what it was.
    """
    files = SlurmFiles(run.slurm)
    profile = read_launch(files).profiles[0]
    generation = claim(run.driver, job_is_live=job_is_live)
    work = open_work(run, generation, device=profile.device)
    if not work.backlog.progress().left:
        generation.release()
        return work.exit_code(stopped=False)

    needs = trial_needs(work.plan, node=node_resources(profile), profile=profile, nodes=profile.max_workers)
    with open_head(run.slurm) as head:
        from orchestrator.drive import drive  # takes seconds, in which workers join already

        return drive(work, needs=needs, device=profile.device, drain_flag=files.drain, scratch=head.directory)


def main() -> None:
    """Drive the run given on the command line; errors that a user can mend are one line in the job's output."""
    try:
        status = drive_on_slurm(RunDirectory(Path(sys.argv[1])))
    except FdtError as error:
        print(f"fdt-sweep: error: {error}", file=sys.stderr, flush=True)
        status = error.exit_code
    except KeyboardInterrupt:
        status = EXIT_STOPPED
    sys.exit(status)


if __name__ == "__main__":
    main()
