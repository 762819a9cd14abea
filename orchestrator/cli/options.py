"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fdt_core.errors import UsageError


def other_meaning(flag: str, meaning: str, here: str) -> Any:
    """A hidden option for a short flag that means `meaning` in other commands: the error names what to write here."""

    def refuse(value: str | None) -> None:
        if value is not None:
            raise UsageError(f"{flag} is short for {meaning}, which this command does not have; write {here} {value}")

    return typer.Option(flag, hidden=True, callback=refuse)


SweepFile = Annotated[Path, typer.Argument(help="The sweep file, such as sweeps/demo.yaml.", show_default=False)]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run: its name, or the path of its directory.")]
RunsDir = Annotated[
    Path | None,
    typer.Option("--runs-dir", help="Directory of runs. Default: $FDT_RUNS_DIR, else ./runs.", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of data sets. Default: $FDT_DATA_DIR, else ./data.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a value of the sweep file, such as --set epochs=1 or --set 'seeds=[0,1]', for every trial. May be "
        "repeated. cluster.KEY=VALUE sets a value of the cluster profile.",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only the first N trials of the plan.", show_default=False),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="AXIS=VALUE,...",
        help="Only these cells, such as --filter template=base,a or --filter 'model!=timm/*'; the axes are model, "
        "variant, template, dataset and seed. May be repeated; all must fit.",
        show_default=False,
    ),
]
Detach = Annotated[
    bool | None,
    typer.Option(
        "--detach/--wait",
        help="Return at once while the sweep continues, or wait until it ends. Default: --wait, on Slurm --detach.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be done; write nothing.")]
FormerPlans = Annotated[
    bool, typer.Option("--all", help="Also show the rows of former plans: marked, in separate tables, and in no mean.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")]
