"""`fdt-sweep run`."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.options import DataDir, Settings, SweepFile, Verbose


def run(
    sweep_file: SweepFile,
    trial: Annotated[
        str, typer.Argument(metavar="[TRIAL_ID]", help="The trial, by the first letters of its id; else the first.")
    ] = "",
    set_: Settings = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...")] = "cpu",
    pdb: Annotated[bool, typer.Option("--pdb", help="Open the debugger at the line that raises an exception.")] = False,
    data_dir: DataDir = None,
    verbose: Verbose = False,
) -> None:
    """Train one trial of a sweep in this process: no Ray, nothing recorded, made for debugging.

    Prints a line for each epoch on stderr, and at the end the trial's result as one JSON object on stdout.

    Examples:
      fdt-sweep run sweeps/debug.yaml --set epochs=1
      fdt-sweep run sweeps/debug.yaml --pdb
    """
    import json

    from fdt_core.datasets.info import data_directory
    from fdt_core.errors import FdtError
    from orchestrator.cli.set_options import split_settings
    from orchestrator.launch.one_trial import choose_trial, run_alone
    from orchestrator.plan.resolve import plan_sweep

    cell = choose_trial(plan_sweep(sweep_file, split_settings(set_ or [])[0], data_directory(data_dir)), trial)
    try:
        row = run_alone(cell, data_directory(data_dir), device, say=lambda line: print(line, file=sys.stderr))
    except Exception as error:
        if pdb:
            import pdb as debugger

            traceback.print_exc()  # the debugger shows the place, not the exception
            debugger.post_mortem()
        elif isinstance(error, FdtError | OSError):
            raise
        else:  # the trial's own: this command exists to show where it was raised
            traceback.print_exc()
        raise typer.Exit(ExitCode.FAILED) from None
    print(json.dumps(row, default=str, indent=1))
