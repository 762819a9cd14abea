"""`fdt-sweep gc`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import DryRun, Json, RunName, RunsDir, Verbose

if TYPE_CHECKING:
    from orchestrator.maintenance.garbage import Garbage


def gc(
    run: RunName,
    trials: Annotated[
        list[str] | None,
        typer.Option(
            "--trials",
            metavar="TRIAL_ID",
            help="Remove all checkpoints and weights of this trial instead, by the first letters of its id, even if it "
            "is finished. Its rows stay. May be repeated.",
            show_default=False,
        ),
    ] = None,
    former: Annotated[
        bool, typer.Option("--former", help="Also remove half-trained trials that are not in the current plan.")
    ] = False,
    dry_run: DryRun = False,
    json_: Json = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Remove what no row needs: checkpoints of given-up or finished trials, files of dead writers, damaged parts.

    Lists everything first and asks. Rows, logs and the weights of finished trials stay, even if the sweep file has
    changed; only --trials removes such weights. Half-trained trials that are not in the current plan are listed, but
    stay unless --former is given: they would continue if their sweep file were launched again.

    Examples:
      fdt-sweep gc demo -n
      fdt-sweep gc demo --trials 3f6a1c --trials 90be
    """
    from fdt_core.errors import UsageError
    from orchestrator.maintenance.garbage import Reason, find_garbage, remove
    from orchestrator.run.driver_lease import claim
    from orchestrator.run.run_directory import find_run

    found = find_run(run, runs_dir)
    tell_damage(found.results)
    lease = None if dry_run else claim(found.driver)  # nothing may be removed under an active driver
    try:
        garbage = find_garbage(found, trials or [])
        stays = [item for item in garbage if item.reason is Reason.FORMER and not former]
        goes = [item for item in garbage if item not in stays]
        report = {"run": str(found.path), "remove": _as_json(goes), "stay": _as_json(stays)}
        if not json_:
            _print(goes, stays)
        if goes and not dry_run:
            if not yes and not sys.stdin.isatty():
                raise UsageError("this removes files: give --yes if there is no terminal to ask on")
            if not yes and not typer.confirm(f"remove these {len(goes)}?", err=True):
                raise UsageError("nothing was removed")
            remove(goes)
    finally:
        if lease is not None:
            lease.release()
    if json_:
        _print_json(report | {"removed": not dry_run})


def _print(goes: list[Garbage], stays: list[Garbage]) -> None:
    for item in goes:
        print(f"{item.size:>14,} bytes  {item.path}  ({item.reason})")
    for item in stays:
        print(f"{item.size:>14,} bytes  {item.path}  stays ({item.reason}; --former removes it)")
    if not goes:
        print("nothing to remove")


def _as_json(items: list[Garbage]) -> list[dict[str, object]]:
    return [{"path": str(item.path), "reason": item.reason.value, "bytes": item.size} for item in items]


def _print_json(report: dict[str, object]) -> None:
    import json

    print(json.dumps(report, indent=1))
