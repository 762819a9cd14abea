"""`fdt-sweep report`: the results of one run, or of several compared, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Filters, FormerPlans, Json, RunsDir, Verbose
from orchestrator.cli.results import AccuracyKind, Batch, Device, Margin, OneSided, RunNames, paths_of, tell_notes


def report(
    runs: RunNames = None,
    runs_dir: RunsDir = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Output file. Default: report/index.html in the run directory.", show_default=False
        ),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(help="Also draw the figures, as pdf, svg or png (several separated by commas), next to it."),
    ] = None,
    filter_: Filters = None,
    accuracy: AccuracyKind = "final",
    batch: Batch = 16,
    device: Device = None,
    margin: Margin = None,
    one_sided: OneSided = False,
    all_: FormerPlans = False,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the results of runs, finished or not, as one HTML file that needs no network, and print its path.

    Examples:
      fdt-sweep report demo
      fdt-sweep report demo --figures pdf,svg
      fdt-sweep report monday tuesday --output both.html
    """
    import json

    from analysis.figures import save_figures
    from analysis.report import write_report
    from analysis.study import study as study_of

    paths = paths_of(runs, runs_dir)
    name = "index" if len(paths) == 1 else "-and-".join(Path(path).name for path in paths)
    file = output or Path(paths[0]) / "report" / f"{name}.html"
    study = study_of(
        *paths,
        filters=filter_ or (),
        accuracy=accuracy,
        batch=batch,
        device=device,
        margin=margin,
        one_sided=one_sided,
    )
    drawn = save_figures(study, file.parent / "figures", figures.split(",")) if figures else []
    report_file = write_report(study, file, former=all_)
    tell_notes(study, all_)
    if json_:
        typer.echo(json.dumps({"report": str(report_file), "figures": [str(path) for path in drawn]}))
        return
    for made in (report_file, *drawn):
        typer.echo(made)
