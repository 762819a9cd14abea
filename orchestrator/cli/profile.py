"""`fdt-sweep profile`: computed and measured costs of networks on a device."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdt_core.errors import UsageError, unknown_name
from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import DataDir, Json, RunsDir, Verbose

if TYPE_CHECKING:
    from fdt_core.measuring.networks import MeasuredNetwork

Row = Mapping[str, object]


def profile(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Architectures; your own, or any torch module, as package.module:name.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[list[str] | None, typer.Option("--template", "-t", help="Templates; default: base.")] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set, for image size and classes.")] = "cifar10",
    width: Annotated[float, typer.Option(help="Multiplier of the base filters.")] = 1.0,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Measure the networks of this run instead, and write them to its profiles."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...; default: a GPU if there is one.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores of this process.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16.")] = "fp32",
    layers: Annotated[bool, typer.Option("--layers", help="Also print fvcore's table of each layer.")] = False,
    runs_dir: RunsDir = None,
    data_dir: DataDir = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print what networks cost: parameters, MACs, the paper's FLOPs and memory; measured memory, latency, throughput.

    Nothing else should use the device meanwhile. With --run, networks that the run has already measured on this
    kind of device are left out, and no driver may be active on the run.

    Examples:
      fdt-sweep profile vgg19 resnet50 -t base -t c --device cuda
      fdt-sweep profile torchvision.models:mobilenet_v2 -d tinyimagenet --layers
      fdt-sweep profile --run demo
    """
    if bool(models) == bool(run):
        raise UsageError("name models, or a run with --run")
    _warn_if_busy()
    if run:
        measured = _of_run(run, runs_dir, device)
    else:
        measured = _of_models(models or [], template or ["base"], dataset, width, data_dir, device, threads, precision)
    rows = []
    for network, row in measured:
        rows.append(row)
        if not as_json:
            _print_row(row)
        if layers:
            typer.echo(_layer_table(network), err=as_json)
    if as_json:
        typer.echo(json.dumps(rows, indent=1, default=str))


def _of_models(
    models: Sequence[str],
    templates: Sequence[str],
    dataset: str,
    width: float,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    precision: str,
) -> Iterator[tuple[MeasuredNetwork, Row]]:
    from fdt_core.datasets.catalogue import dataset_info
    from fdt_core.measuring.networks import measurement_row_in_fresh_process, named_networks
    from fdt_core.measuring.setting import MeasurementSetting

    if precision not in ("fp32", "tf32", "bf16"):
        raise unknown_name("precision", precision, ("fp32", "tf32", "bf16"))
    info = dataset_info(dataset, data_dir)
    networks = [network for model in models for network in named_networks(model, templates, info, width)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    setting = MeasurementSetting(
        device=_usable(device),
        threads=threads or cores,
        precision=precision,  # type: ignore[arg-type]  # checked above
    )
    for network in networks:
        yield network, measurement_row_in_fresh_process(network, setting)


def _of_run(name: str, runs_dir: Path | None, device: str) -> Iterator[tuple[MeasuredNetwork, Row]]:
    """Measure what a run lacks for this device, and append each row as soon as it is measured."""
    import torch

    from fdt_core.compute.device import device_name
    from fdt_core.measuring.networks import measurement_row_in_fresh_process
    from fdt_core.results.reader import read_table
    from fdt_core.results.writer import ResultsWriter
    from orchestrator.run.driver_lease import claim
    from orchestrator.run.measurements import network_of, setting_of, unmeasured
    from orchestrator.run.run_directory import find_run

    found, place = find_run(name, runs_dir), _usable(device)
    tell_damage(found.results)
    lease = claim(found.driver)
    try:
        writer = ResultsWriter(found.results, check_right_to_write=lease.check)
        known = read_table(found.results, "profiles").rows.to_pylist()
        for cell in unmeasured(found.plan().cells, known, device_name(torch.device(place))):
            network = network_of(cell)
            row = {"sweep": cell.sweep, **measurement_row_in_fresh_process(network, setting_of(cell, place))}
            writer.append("profiles", [row])
            writer.flush("profiles")
            yield network, row
    finally:
        lease.release()


def _usable(device: str) -> str:
    """`device`, by default the first GPU if there is one; EnvironmentProblem if torch cannot use it."""
    from fdt_core.compute.device import require_device

    return require_device(device)


def _warn_if_busy() -> None:
    load = os.getloadavg()[0]
    if load > 0.5:
        typer.echo(f"warning: this machine is busy (load {load:.1f}): latencies will be too high", err=True)


def _print_row(row: Row) -> None:
    template = f" {row['template']}" if row["template"] else ""
    name = f"{row['model']}{template}, width {row['width']:g}" if template else row["model"]
    typer.echo(
        f"{name}, images of {row['dataset']}, {row['precision']}, on {row['device_name']} "
        f"({row['device']}, {row['threads']} CPU threads)"
    )
    for label, value in (
        ("parameters", f"{row['params']:,}"),
        ("MACs", f"{row['macs']:,}"),
        ("the paper's FLOPs", f"{row['paper_flops']:,}"),
        ("the paper's memory, computed", f"{row['memory_mb']:,.1f} MB"),
        ("peak memory of inference, batch 16", f"{row['inference_peak_memory_mb']:,.1f} MB"),
        ("peak memory of training, batch 128", f"{row['training_peak_memory_mb']:,.1f} MB"),
    ):
        typer.echo(f"  {label:<36}{value:>18}")
    typer.echo(f"  {'inference':<16}{'median ms':>12}{'10 %':>10}{'90 %':>10}{'images/s':>12}")
    for batch in (1, 16, 128):
        latency = [row[f"latency_ms_b{batch}_{quantile}"] for quantile in ("median", "p10", "p90")]
        shown = f"{latency[0]:>12,.3f}{latency[1]:>10,.3f}{latency[2]:>10,.3f}"
        typer.echo(f"  {f'batch of {batch}':<16}{shown}{row[f'images_per_second_b{batch}']:>12,.0f}")


def _layer_table(network: MeasuredNetwork) -> str:
    """Parameters and operations per layer for one image, as fvcore counts them."""
    import torch
    from fvcore.nn import FlopCountAnalysis, flop_count_table

    image = network.image
    model = network.build().eval()
    counted = FlopCountAnalysis(model, torch.zeros(1, image.channels, image.size, image.size))
    counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    table: str = flop_count_table(counted, max_depth=4)
    return table
