"""The environment of Ray Tune in the driver's process: what keeps Tune to scheduling, without files or output.

Tune is imported only once Ray's environment is set, so this module must not import it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

TUNE_SETTINGS: Mapping[str, str] = {
    "RAY_AIR_NEW_OUTPUT": "0",  # no tables of Tune's own
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no files per trial: the ledger records
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own state is never restored
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver drains on SIGINT
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the driver counts and reports dead processes itself
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # on Slurm, waiting for workers is the normal case
}
"""Variables that Tune reads in the process that calls `tune.run`, and nowhere else (Ray 2.60).

RAY_CHDIR_TO_TRIAL_DIR is not one of them: the trials' processes read it, so every Ray node sets it
(`cluster.ray_nodes.ray_node`).
"""


@contextmanager
def quiet_tune(most_waiting: int) -> Iterator[None]:
    """Tune's settings for one round: so many processes may wait for a slot, and no output."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(most_waiting)
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
