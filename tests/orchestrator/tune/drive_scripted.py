"""A driver of a run with scripted trials, as a process that tests may kill: `python -m ... RUN SWEEP_FILE`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lab.engine import local_engine, open_dataless_run
from lab.scripted_session import scripted_session
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter
from orchestrator.tune.compute import Compute
from orchestrator.tune.driver import Driver


def main() -> None:
    """Run what is left on two slots."""
    run = RunDirectory(Path(sys.argv[1]))
    with local_engine(cpus=2) as engine, tempfile.TemporaryDirectory(dir=engine.scratch) as directory:
        place = Path(directory)
        work = open_dataless_run(run, plan_sweep(Path(sys.argv[2])), place)
        status = StatusWriter(
            status_file=run.status_file, running_file=run.running_file, driver=DriverPlace(pid=0, host="", generation=0)
        )
        compute = Compute(slots=engine.needs, device="cpu", drain_flag=place / "drain", scratch=place)
        Driver(work, compute, status, make_session=scripted_session).run()
        work.lease.release()


if __name__ == "__main__":
    main()
