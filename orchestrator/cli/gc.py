"""`fdt-sweep gc`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.options import RunName, RunsDir, Verbose


def gc(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Remove what no row needs: checkpoints of dropped or given-up trials, files of dead writers, damaged parts.

    Lists everything first and asks. Results, logs and the weights that `keep` left stay.

    Example:
      fdt-sweep gc demo
    """
    from fdt_core.errors import UsageError
    from orchestrator.garbage import find_garbage, remove
    from orchestrator.generation import claim
    from orchestrator.run_directory import find_run

    found = find_run(run, runs_dir)
    generation = claim(found.driver)  # nothing may be removed under a driver at work
    try:
        garbage = find_garbage(found)
        for item in garbage:
            print(f"{item.size:>14,} bytes  {item.path}  ({item.reason})")
        if not garbage:
            print("nothing to remove")
            return
        if not yes and not sys.stdin.isatty():
            raise UsageError("this removes files: give --yes where nobody can be asked")
        if yes or typer.confirm(f"remove these {len(garbage)}?"):
            remove(garbage)
    finally:
        generation.release()
