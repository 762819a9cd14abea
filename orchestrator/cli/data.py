"""`fdt-sweep data`: list, prepare and verify data sets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from orchestrator.cli.options import DataDir, Json, Verbose

if TYPE_CHECKING:
    from fdt_core.datasets.store import Description

data = typer.Typer(
    no_args_is_help=True,
    help="""List, prepare and verify data sets.

    Examples:
      fdt-sweep data list
      fdt-sweep data prepare cifar10 --download
    """,
)

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets, or all.")]


@data.command("list")
def list_datasets(data_dir: DataDir = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the data sets of the project and your own of DATA_DIR/datasets.yaml, and which are prepared.

    Example:
      fdt-sweep data list
    """
    from fdt_core.datasets.info import data_directory

    directory = data_directory(data_dir)
    rows = [_row(name, directory) for name in _known(directory)]
    for row in rows:
        if row["damage"] is not None:
            typer.echo(f"warning: {row['damage']}", err=True)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    width = max(14, *(len(row["name"]) for row in rows))
    typer.echo(f"{'name':<{width}} {'pixels':>6} {'classes':>7} {'train':>8} {'test':>8}  in {directory}")
    for row in rows:
        shape = f"{_number(row['size']):>6} {_number(row['classes']):>7}"
        images = f"{_number(row['train_images']):>8} {_number(row['test_images']):>8}"
        cut = "" if row["crop_ratio"] is None else f", crop_ratio {row['crop_ratio']}"
        typer.echo(f"{row['name']:<{width}} {shape} {images}  {row['state']}{cut}")


@data.command()
def prepare(
    names: Names,
    data_dir: DataDir = None,
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The published archive, a folder unpacked from it, or a folder with the published files. "
            "Default: what is in DATA_DIR/raw, in DATA_DIR, or where Debian installs it.",
            show_default=False,
        ),
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch published files that are not found.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Accept files whose checksum or number of images is not as published.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Prepare again what is already prepared.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check published files and write them in the form that training reads: memory-mapped arrays with a digest.

    Examples:
      fdt-sweep data prepare cifar10 --from cifar-10-python.tar.gz
      fdt-sweep data prepare cifar10 cifar100 --download
    """
    from fdt_core.datasets.info import data_directory
    from fdt_core.datasets.prepare import prepare_dataset
    from fdt_core.datasets.summary import summary_lines
    from fdt_core.errors import UsageError

    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # torchvision's downloader draws its bar with tqdm

    directory = data_directory(data_dir)
    wanted = _wanted(names, directory)
    if origin is not None and len(wanted) > 1:
        raise UsageError("--from names the files of one data set: prepare one at a time")

    def prepared(name: str) -> Description:
        return prepare_dataset(name, directory, origin=origin, download=download, unchecked=unchecked, replace=replace)

    _each(wanted, directory, prepared, "is prepared", as_json, details=summary_lines)


@data.command()
def verify(names: Names, data_dir: DataDir = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Read prepared data sets in full and compare them with their digests.

    Examples:
      fdt-sweep data verify cifar10
      fdt-sweep data verify all
    """
    from fdt_core.datasets.info import data_directory
    from fdt_core.datasets.verify import verify_prepared

    directory = data_directory(data_dir)
    _each(
        _wanted(names, directory), directory, lambda name: verify_prepared(name, directory), "is as prepared", as_json
    )


def _each(
    names: Sequence[str],
    directory: Path,
    act: Callable[[str], Description],
    done: str,
    as_json: bool,
    *,
    details: Callable[[Description, Path], Sequence[str]] = lambda _, __: (),
) -> None:
    """Act on each data set, continue after one that fails, and raise at the end if any did."""
    from fdt_core.errors import EnvironmentProblem, FdtError, UsageError

    problems: list[FdtError] = []
    for name in names:
        try:
            description = act(name)
            lines = details(description, directory / name)
        except (EnvironmentProblem, UsageError) as problem:
            problems.append(problem)
            continue
        if not as_json:
            typer.echo(
                f"{name} {done}: {description.train_images:,} training and {description.test_images:,} test images "
                f"in {directory / name}, digest {description.digest[:12]}"
            )
            for line in lines:
                typer.echo(f"  {line}")
    if as_json:
        typer.echo(json.dumps([_row(name, directory) for name in names], indent=1))
    if problems:
        kind = UsageError if all(isinstance(problem, UsageError) for problem in problems) else EnvironmentProblem
        raise kind("\n".join(map(str, problems)))


class _Row(TypedDict):
    """What `list` reports of a data set; facts that cannot be known now are None."""

    name: str
    size: int | None
    classes: int | None
    train_images: int | None
    test_images: int | None
    digest: str | None
    notes: list[str] | None
    damage: str | None
    state: str
    crop_ratio: float | None


def _row(name: str, directory: Path) -> _Row:
    """The row of one data set."""
    from fdt_core.datasets.catalogue import dataset_info
    from fdt_core.datasets.store import DESCRIPTION, read_description
    from fdt_core.datasets.user_datasets import OutdatedData
    from fdt_core.datasets.verify import require_arrays
    from fdt_core.errors import EnvironmentProblem, UsageError

    row = _Row(
        name=name,
        size=None,
        classes=None,
        train_images=None,
        test_images=None,
        digest=None,
        notes=None,
        damage=None,
        state="not prepared",
        crop_ratio=_crop_ratio(name, directory),
    )
    try:
        info = dataset_info(name, directory)
        row |= {"size": info.image.size, "classes": info.image.classes}
        row |= {"train_images": info.train_images, "test_images": info.test_images}
        description = read_description(directory / name)
        row |= {"train_images": description.train_images, "test_images": description.test_images}
        require_arrays(directory / name, description)
        row |= {"digest": description.digest, "notes": list(description.notes)}
        row["state"] = f"prepared, digest {description.digest[:12]}"
    except FileNotFoundError:
        pass
    except OutdatedData as problem:
        row |= {"state": "prepared with other settings", "damage": str(problem)}
    except (EnvironmentProblem, UsageError) as problem:
        prepared = (directory / name / DESCRIPTION).exists()
        row |= {"state": "damaged" if prepared else "cannot be prepared", "damage": str(problem)}
    return row


def _crop_ratio(name: str, directory: Path) -> float | None:
    """The crop_ratio of the data set's entry in datasets.yaml, if it has one."""
    from fdt_core.datasets.user_datasets import user_datasets

    entry = user_datasets(directory).get(name)
    return entry.resize.crop_ratio if entry and entry.resize else None


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _known(directory: Path) -> tuple[str, ...]:
    from fdt_core.datasets.info import dataset_names
    from fdt_core.datasets.user_datasets import user_datasets

    return (*dataset_names(), *user_datasets(directory))


def _wanted(names: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The named data sets, each once; UsageError for an unknown name, before anything is done."""
    from fdt_core.errors import unknown_name

    known = _known(directory)
    for name in names:
        if name not in (*known, "all"):
            raise unknown_name("dataset", name, known)
    return known if "all" in names else tuple(dict.fromkeys(names))
