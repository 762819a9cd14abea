"""What the trials of a run have in common: they report and save the more rarely, the more of them run at a time."""

from __future__ import annotations

from orchestrator.run.open_run import OpenRun
from orchestrator.trial.order import TrialSettings
from orchestrator.tune.compute import Compute

FIRST_REPORT_SECONDS = 1.0
"""A trial is not reported on earlier, however short its epochs, unless its `report_interval` is shorter."""

REPORTS_PER_SECOND = 100
"""So many reports keep the driver's process half busy: it spends 4 to 5 ms on each, mostly in Ray (measured)."""


def trial_settings(work: OpenRun, compute: Compute) -> TrialSettings:
    """What all trials of the run have in common."""
    least = compute.slots.slots / REPORTS_PER_SECOND
    return TrialSettings(
        run_directory=str(work.run.path),
        data_directory=work.settings.data_directory,
        device=compute.device,
        checkpoint_interval=work.plan.checkpoint_interval,
        checkpoint_bytes_per_second=work.plan.checkpoint_bandwidth * 1e6 / compute.slots.slots,
        keep=work.plan.keep,
        time_limit=work.plan.resources.time_limit,
        first_report=max(FIRST_REPORT_SECONDS, least),
        report_interval=max(work.plan.report_interval, least),
    )
