"""Environment variables for Ray Tune: importing this imports no Ray."""

from __future__ import annotations

TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no files per trial: the ledger records
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own state is never restored
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver drains on SIGINT
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the driver counts and tells of dead processes itself
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # on Slurm, waiting for workers is the normal case
    "RAY_AIR_NEW_OUTPUT": "0",  # no tables of its own
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_worker_niceness": "0",  # Ray would train at the lowest priority, behind any neighbour
}
"""Must be in the environment of every Ray node before it starts, so that its workers inherit it."""
