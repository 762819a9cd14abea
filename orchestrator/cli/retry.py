"""`fdt-sweep retry`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Detach, RunName, RunsDir, Verbose
from orchestrator.cli.start import start


def retry(
    run: RunName,
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="Which: failed or all (any kind), or error, oom, crash, device.")
    ] = "failed",
    cluster: Annotated[str, typer.Option(help="Cluster profile, as for launch.")] = "local",
    detach: Detach = None,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Try failed trials again, by the plan frozen at the last launch, and run whatever else is left of it.

    The failed attempts stay in the results; the new attempts get rows of their own. Exit codes as for launch.

    Examples:
      fdt-sweep retry demo
      fdt-sweep retry demo oom
    """
    from cluster.profile import load_profile
    from orchestrator.launch import claim_run, refreeze
    from orchestrator.run_directory import find_run
    from orchestrator.slurm import claim_on_slurm

    found, profile = find_run(run, runs_dir), load_profile(cluster)
    generation = refreeze(found, retry=kind, become_driver=claim_on_slurm if profile.kind == "slurm" else claim_run)
    raise typer.Exit(start(found, generation, profile, detach=detach, options=["--cluster", cluster]))
