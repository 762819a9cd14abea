"""`fdt-sweep templates`: what each filter distribution template makes of a model, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fdt_core.errors import UsageError, unknown_name
from fdt_core.exit_codes import ExitCode
from orchestrator.cli.options import Json, Verbose

if TYPE_CHECKING:
    from fdt_core.matching.budget import Budget

Row = dict[str, Any]

PAPER_MODELS = ("vgg19", "resnet50")


def templates(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", help="vgg19, timm/convnext_atto, package.module:attribute, ..., or {name: x, fixed: [y]}."
        ),
    ] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set, for image size and classes.")] = "cifar10",
    template: Annotated[
        list[str] | None,
        typer.Option("--template", "-t", help="Only these: names, or {name: x, points: [[0, 0], [1, 1]]}."),
    ] = None,
    width: Annotated[float, typer.Option(help="Multiplier of the base filters.")] = 1.0,
    metric: Annotated[
        str, typer.Option(help="What to match: paper_flops, macs, params, memory_mb or activations.")
    ] = "paper_flops",
    target: Annotated[str, typer.Option(help="base, a multiple such as '0.5 x base', or a number.")] = "base",
    rule: Annotated[str, typer.Option(help="nearest, at_most or paper.")] = "nearest",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the filters per layer into this file (png, pdf, svg).")
    ] = None,
    check_paper: Annotated[
        bool, typer.Option("--check-paper", help="Compare with the paper's printed values.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the slots of each model: which layers, and what follows them.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Show the filters and the cost of each template of a model; without a model, list the templates and models.

    Examples:
      fdt-sweep templates
      fdt-sweep templates --model resnet50 --dataset cifar100 --template base --template a
      fdt-sweep templates --model vgg19 --plot filters.pdf
      fdt-sweep templates --model timm/mobilenetv2_050 --explain
    """
    if as_json and as_csv:
        raise UsageError("choose one of --json and --csv")
    if check_paper:
        raise typer.Exit(_check_paper(as_json=as_json))
    if not (models or as_json or as_csv or plot or explain):
        _print_known()
        return
    if explain:
        _explain(models or PAPER_MODELS, dataset, as_json=as_json)
        return
    rows = _rows(models or PAPER_MODELS, dataset, template or (), width, _budget(metric, target, rule, dataset))
    if plot:
        _draw(rows, plot)
    if as_json:
        _print_json(rows)
    elif as_csv:
        _print_csv(rows)
    elif not plot:
        _print_table(rows)


def _budget(metric: str, target: str, rule: str, dataset: str) -> Budget:
    from pydantic import ValidationError

    from fdt_core.files.yaml_file import parse_scalar
    from fdt_core.matching.budget import RULES, Budget
    from fdt_core.matching.paper_tables import require_paper_dataset
    from fdt_core.networks.cost import METRICS

    for kind, name, known in (("metric", metric, METRICS), ("rule", rule, RULES)):
        if name not in known:
            raise unknown_name(kind, name, known)
    if rule == "paper":
        require_paper_dataset(dataset)
    try:
        return Budget(metric=metric, target=parse_scalar(target), rule=rule)  # type: ignore[arg-type]  # just checked
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"budget with target {target!r}: {problem}") from None


def _rows(models: Sequence[str], dataset: str, names: Sequence[str], width: float, budget: Budget) -> list[Row]:
    """A row for each model and template."""
    from fdt_core.datasets.catalogue import dataset_info
    from fdt_core.files.yaml_file import parse_scalar
    from fdt_core.matching.match import match
    from fdt_core.models import find_model
    from fdt_core.templates import template, template_names
    from orchestrator.plan.model_entries import model_definition

    image = dataset_info(dataset).image
    chosen = [template(parse_scalar(name) if name.startswith("{") else name) for name in names or template_names()]
    rows = []
    for name in models:
        model = find_model(model_definition(name))
        for each in chosen:
            found = match(model, each, image=image, width=width, budget=budget)
            rows.append(
                {"model": model.name, "template": each.name, "n": found.n, "widths": list(found.widths)}
                | asdict(found.cost)
                | {"budget_error": found.budget_error}
            )
    return rows


def _explain(models: Sequence[str], dataset: str, *, as_json: bool) -> None:
    """Show the slots of each model on the images of a data set."""
    from fdt_core.datasets.catalogue import dataset_info
    from orchestrator.plan.model_entries import model_definition
    from orchestrator.status.slot_text import slots_json, slots_text

    image = dataset_info(dataset).image
    definitions = [model_definition(name) for name in models]
    if as_json:
        _print_json([slots_json(definition, image) for definition in definitions])
    else:
        typer.echo("\n\n".join(slots_text(definition, image) for definition in definitions))


def _print_json(rows: Sequence[Mapping[str, object]]) -> None:
    import json

    typer.echo(json.dumps(rows, indent=2))


def _print_csv(rows: Sequence[Row]) -> None:
    """CSV whose widths are separated by spaces."""
    import csv
    import sys

    writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"widths": " ".join(map(str, row["widths"]))} for row in rows)


def _print_table(rows: Sequence[Row]) -> None:
    _print_columns(
        tuple(rows[0]),
        [
            (
                row["model"],
                row["template"],
                "" if row["n"] is None else str(row["n"]),
                _shortened(row["widths"]),
                *(f"{row[cost]:,}" for cost in ("params", "macs", "paper_flops")),
                f"{row['memory_mb']:,.3f}",
                f"{row['activations']:,}",
                f"{row['budget_error']:+.3%}",
            )
            for row in rows
        ],
        left=("model", "template", "widths"),
    )


def _shortened(widths: Sequence[int]) -> str:
    """Filters per slot with repetitions counted: 64x2 128x2."""
    runs = ((width, len(list(same))) for width, same in groupby(widths))
    return " ".join(f"{width}x{count}" if count > 1 else str(width) for width, count in runs)


def _print_columns(names: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str]) -> None:
    """A table that folds long widths on a terminal, and off a terminal keeps each row on one line."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(
            name, justify="left" if name in left else "right", no_wrap=name != "widths", min_width=len(name)
        )
    for row in rows:
        table.add_row(*row)
    terminal = Console()
    Console(width=max(terminal.width, 140) if terminal.is_terminal else 10_000).print(table)


def _print_known() -> None:
    """The known models and templates, and how to see more."""
    from fdt_core.networks.architectures import architecture, architecture_names
    from fdt_core.templates import template_names

    typer.echo("Templates (filters over the depth of the network; n is matched to the budget):")
    for name in template_names():
        typer.echo(f"  {name:<5} {_MEANINGS[name]}")
    typer.echo("  or your own: {name: late_bulge, points: [[0, 0], [0.7, 1], [1, 0]]}, {name: mine, widths: [64, ...]}")
    typer.echo("\nModels (base filters of each slot):")
    for name in architecture_names():
        typer.echo(f"  {name:<10} {_shortened(architecture(name).base_widths)}")
    typer.echo("  any convolutional network of torchvision or timm: torchvision/mobilenet_v2, timm/convnext_atto, ...")
    typer.echo("  or your own: package.module:attribute")
    typer.echo("\nFilters and costs: fdt-sweep templates --model vgg19 --dataset cifar10")


_MEANINGS = {
    "base": "the model's own filters",
    "a": "smooth step: rises from the minimum to n",
    "b": "uniform: n everywhere",
    "c": "reverse: falls from n to the minimum",
    "d": "centre bulge: up to n in the middle, and down",
    "e": "centre waist: from n down to the minimum in the middle, and up",
}


def _check_paper(*, as_json: bool) -> int:
    """Print every value that the paper prints next to ours; returns the exit code."""
    from fdt_core.matching.paper_check import check_paper

    values = check_paper()
    agreeing = sum(value.agrees for value in values)
    if as_json:
        _print_json([asdict(value) | {"agrees": value.agrees} for value in values])
    else:
        rows = [
            (each.model, each.template, each.quantity, each.printed, each.computed, "yes" if each.agrees else "NO")
            for each in values
        ]
        names = ("model", "template", "quantity", "printed", "computed", "agrees")
        _print_columns(names, rows, left=("model", "template", "quantity"))
        typer.echo(f"{agreeing} of {len(values)} printed values agree")
    return ExitCode.DONE if agreeing == len(values) else ExitCode.FAILED


def _draw(rows: Sequence[Row], path: Path) -> None:
    from analysis.figures.filters import filters_per_layer

    figure = filters_per_layer(
        {
            model: {row["template"]: row["widths"] for row in of_model}
            for model, of_model in groupby(rows, key=lambda row: row["model"])
        }
    )
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise UsageError(f"{path}: the file's name must end in one of {', '.join('.' + name for name in known)}")
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {path}", err=True)
