"""`fdt-sweep results`: the tables of a run, printed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Filters, FormerPlans, Json, RunsDir, Verbose, other_meaning

if TYPE_CHECKING:
    from analysis.study import Study
    from analysis.tables.table import Table

RunNames = Annotated[
    list[str] | None, typer.Argument(metavar="RUN...", help="Runs: names, or paths of their directories.")
]
AccuracyKind = Annotated[str, typer.Option(help="Accuracy of which epoch: final or best. They are never mixed.")]
Batch = Annotated[int, typer.Option(help="Batch size of the inference time: 1, 16 or 128.")]
Device = Annotated[
    str | None, typer.Option(help="Device whose inference time counts. Default: the one with the most profiles.")
]

Margin = Annotated[
    float | None,
    typer.Option(
        help="Points of accuracy that a template may lose, for the verdicts. Default: 0.5, or that of adaptive seeds.",
        show_default=False,
    ),
]
OneSided = Annotated[
    bool,
    typer.Option("--one-sided", help="Intervals without upper limits: they rule losses out with fewer seeds."),
]


def results(
    runs: RunNames = None,
    runs_dir: RunsDir = None,
    table: Annotated[
        str,
        typer.Option(
            "--table",
            help="comparison, published, verdicts, differences, decisions, tuning, budgets, paired, needs, ranks, "
            "across, failures, cells or all.",
        ),
    ] = "comparison",
    format: Annotated[str, typer.Option("--format", help="text, markdown, latex, csv, html or json.")] = "text",
    filter_: Filters = None,
    accuracy: AccuracyKind = "final",
    costs: Annotated[
        str | None,
        typer.Option(
            help="Costs to compare, separated by commas: params, macs, paper_flops, memory, activations, latency, "
            "training, peak_memory; or paper, for those of the paper's tables."
        ),
    ] = None,
    rounding: Annotated[
        str, typer.Option(help="nearest; truncate; or paper: truncated, and per cent of the truncated numbers.")
    ] = "nearest",
    decimals: Annotated[int, typer.Option(min=0, max=10, help="Decimals of the accuracy.")] = 2,
    budget_tolerance: Annotated[
        float, typer.Option(min=0, help="Mark cells that miss the matched cost by more than this fraction.")
    ] = 0.01,
    batch: Batch = 16,
    device: Device = None,
    margin: Margin = None,
    one_sided: OneSided = False,
    all_: FormerPlans = False,
    standalone: Annotated[bool, typer.Option("--standalone", help="Make LaTeX or HTML a complete document.")] = False,
    siunitx: Annotated[
        bool, typer.Option("--siunitx", help="Let the LaTeX package siunitx print the numbers.")
    ] = False,
    as_json: Json = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the columns of the results.")] = False,
    verbose: Verbose = False,
    former_t: Annotated[str | None, other_meaning("-t", "--template", "--table")] = None,
    former_f: Annotated[str | None, other_meaning("-f", "--follow", "--format")] = None,
) -> None:
    """Print the tables of runs, finished or not: accuracy over seeds, costs, differences and how certain they are.

    Only rows that the plan of the last launch asks for count. What is wrong with the results is reported on stderr.
    --json is the same as --format json.

    Examples:
      fdt-sweep results demo
      fdt-sweep results demo --table verdicts --margin 1
      fdt-sweep results paper --filter model=vgg19 --filter 'dataset=cifar*'
      fdt-sweep results paper --rounding paper --costs paper --format latex
    """
    if schema:
        from analysis.tables.schema import schema_tables

        _print(schema_tables(), "json" if as_json else format, standalone, siunitx)
        return
    from analysis.recipes import unlike_trainings
    from analysis.rounding import rounding as rounding_named
    from analysis.study import study as study_of
    from analysis.tables import former_tables, tables
    from analysis.tables.comparison import Layout

    study = study_of(
        *paths_of(runs, runs_dir),
        filters=filter_ or (),
        accuracy=accuracy,
        batch=batch,
        device=device,
        margin=margin,
        one_sided=one_sided,
    )
    layout = Layout(
        rounding=rounding_named(rounding),
        costs=_cost_names(costs),
        decimals=decimals,
        budget_tolerance=budget_tolerance,
    )
    shown = [*tables(study, table, layout), *(former_tables(study) if all_ else [])]
    _print(shown, "json" if as_json else format, standalone, siunitx)
    tell_notes(study, all_)
    for warning in unlike_trainings(study):
        typer.echo(warning, err=True)


def tell_notes(study: Study, former_shown: bool) -> None:
    """Print on stderr what is wrong with the runs, and what is left out."""
    from analysis.recipes import tuned_sentences
    from analysis.tables.verdicts import looks_sentences

    of_run = (*study.results.notes, *tuned_sentences(study), *looks_sentences(study))
    for note in (*of_run, *(() if former_shown else study.results.left_out)):
        typer.echo(note, err=True)


def paths_of(runs: list[str] | None, runs_dir: RunsDir) -> list[str]:
    """The run directories of these names; UsageError if none is given or one does not exist.

    A path may also name a run directory without a plan, or a `results` folder alone.
    """
    from analysis.frames import run_directory
    from fdt_core.errors import UsageError
    from fdt_core.results.run_lookup import runs_root
    from orchestrator.run.run_directory import find_run

    if not runs:
        raise UsageError("name a run, such as: fdt-sweep results demo")
    candidates = {run: (runs_root(runs_dir) / run, Path(run)) for run in runs}
    found = {run: next(filter(None, map(run_directory, paths)), None) for run, paths in candidates.items()}
    return [str(path or find_run(run, runs_dir).path) for run, path in found.items()]


def _cost_names(costs: str | None) -> tuple[str, ...]:
    from analysis.costs import PAPER, SHOWN

    if costs is None:
        return SHOWN
    return PAPER if costs == "paper" else tuple(name.strip() for name in costs.split(","))


def _print(tables: list[Table], format: str, standalone: bool, siunitx: bool) -> None:
    from analysis.rendering import as_text, render

    if format == "text" and not (standalone or siunitx):
        bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        width = shutil.get_terminal_size((120, 40)).columns
        typer.echo("\n\n".join(as_text(table, width, bold) for table in tables))
    else:
        typer.echo(render(tables, format, standalone=standalone, siunitx=siunitx).rstrip("\n"))
