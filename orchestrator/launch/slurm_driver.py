"""The driver of a Slurm sweep, run in the head's job. Each start of it is a launch: plan minus ledger."""

from __future__ import annotations

from dataclasses import replace

from cluster.machine.resources import node_resources
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.jobs.leaving_nodes import LeavingNodes
from cluster.slurm.jobs.open_head import open_head
from cluster.slurm.queue.sweep_jobs import job_is_live
from cluster.slurm.records import Demand
from orchestrator.plan.trial_slots import trial_slots
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_lease import claim
from orchestrator.run.launch_record import frozen_launch
from orchestrator.run.open_run import open_run
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.console import silent_stdout
from orchestrator.trial.report import ProcessLocation
from orchestrator.tune.compute import Compute
from orchestrator.tune.environment import TUNE_SETTINGS
from orchestrator.tune.stop_signals import StopSignals


def drive_on_slurm(run: RunDirectory) -> int:
    """Run what is left of the frozen plan on the workers that join; returns the exit code.

    Raises EnvironmentProblem if another driver is active, or the prepared data has changed.
    """
    files = SlurmFiles(run.slurm)
    profiles = read_launch(files).profiles
    lease = claim(run.driver, job_is_live=job_is_live)
    work = open_run(frozen_launch(run), lease, device=profiles[0].device)
    if not work.backlog.progress().left:
        lease.release()
        return work.exit_code(interrupted=False)

    needs = [trial_slots(work.plan, node=node_resources(profile), profile=profile) for profile in profiles]
    per_worker = tuple(each.slots for each in needs)
    slots = sum(each.slots * profile.max_workers for each, profile in zip(needs, profiles, strict=True))
    with StopSignals() as signals, silent_stdout(), open_head(run.slurm, TUNE_SETTINGS) as head:
        from orchestrator.tune.drive_sweep import drive_sweep  # takes seconds, in which workers already join

        workers = _Workers(files, per_worker)
        compute = Compute(
            slots=replace(needs[0], slots=slots),
            device=profiles[0].device,
            drain_flag=files.drain,
            scratch=head.directory,
            departing=workers.departing,
            on_progress=workers.announce_demand,
            on_device_failure=workers.suspect,
        )
        return drive_sweep(work, compute, signals)


class _Workers:
    """The sweep's worker jobs, as the driver sees them through files."""

    def __init__(self, files: SlurmFiles, per_worker: tuple[int, ...]) -> None:
        self.departing = LeavingNodes(files)
        self._files = files
        self._per_worker = per_worker
        self._announced: Demand | None = None

    def announce_demand(self, progress: Progress) -> None:
        """Record how many workers the remaining trials can use; mark the nodes of those that leave.

        While trials run, those that the next looks may ask for count too: workers stay over the gap between looks.
        """
        self.departing.look()
        now = progress.left - progress.pending
        demand = Demand(slots=now + (progress.may_follow if now else 0), per_worker=self._per_worker)
        if demand != self._announced:
            self._announced = demand
            write_record(self._files.demand, demand)

    def suspect(self, place: ProcessLocation) -> None:
        """Have the worker examine the device; from then on it leaves out one that does not work."""
        for worker in self._files.read_workers():
            if worker.slurm_job_id == place.slurm_job_id:
                self._files.suspect(worker.job_id, place.device_id or "")
