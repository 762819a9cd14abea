"""`fdt-sweep retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.drive import perform_launch
from orchestrator.cli.options import Detach, DryRun, Filters, Json, RunName, RunsDir, Verbose

if TYPE_CHECKING:
    from orchestrator.plan.cells import Cell
    from orchestrator.run.launch_record import Launch


def retry(
    run: RunName,
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="Which: failed or all (any kind), or error, oom, crash, device.")
    ] = "failed",
    cluster: Annotated[str, typer.Option(help="Cluster profile, as for launch.")] = "local",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a value of the sweep file that changes no trial, such as --set resources.time_limit=3600, or of "
            "the cluster profile, as --set cluster.KEY=VALUE. May be repeated.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Retry only the first N of them.", show_default=False)
    ] = None,
    filter_: Filters = None,
    dry_run: DryRun = False,
    detach: Detach = None,
    json_: Json = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Try failed trials again, under the plan frozen at the last launch, and run the rest of that plan.

    The failed attempts stay in the results; the new attempts get their own rows. Failures up to now are forgiven
    once: an interrupted retry continues with the next launch or retry, and a new failure counts again. Exit codes as
    for launch.

    Examples:
      fdt-sweep retry demo
      fdt-sweep retry demo -n
      fdt-sweep retry demo oom --set resources.trials_per_gpu=1
      fdt-sweep retry demo --filter template=a,c
    """
    from cluster.profile.schema import load_profile
    from orchestrator.cli.set_options import profile_options, split_settings
    from orchestrator.launch.prepare import checked
    from orchestrator.launch.retry import retry_launch
    from orchestrator.run.run_directory import RunDirectory, find_run

    sweep_settings, profile_settings = split_settings(set_ or [])
    profile = load_profile(cluster, profile_settings)
    found = RunDirectory(find_run(run, runs_dir).path.absolute())
    launch, trials = retry_launch(found, kind, limit=limit, filters=filter_ or (), overrides=sweep_settings)
    if dry_run:
        _show(launch, trials, json_)
        return
    options = profile_options(cluster, set_ or [])
    launch = checked(launch, profile)
    raise typer.Exit(perform_launch(launch, profile, yes=False, detach=detach, options=options, json_=json_))


def _show(launch: Launch, trials: tuple[Cell, ...], json_: bool) -> None:
    """Print which trials would be retried, how they failed, and how many trials would run in all."""
    import json

    from orchestrator.run.adaptive.wanted_cells import left_now
    from orchestrator.run.ledger import Ledger

    before = Ledger.read(launch.run)
    left = len(left_now(launch.plan, launch.ledger()))
    failures = {cell.trial_id: before.record(cell.trial_id).counted_failures for cell in trials}
    if json_:
        again = [{**_names(cell), "failures": list(failures[cell.trial_id])} for cell in trials]
        print(json.dumps({"run": str(launch.run.path), "retry": again, "left": left}, indent=1))
        return
    for cell in trials:
        names = [str(name) for name in _names(cell).values() if name != ""]
        print("  ".join([*names, f"failed with: {', '.join(failures[cell.trial_id])}"]))
    print(f"{len(trials)} to retry; {left} trials to run in all")


def _names(cell: Cell) -> dict[str, str | int]:
    return {"trial_id": cell.trial_id, **cell.axes}
