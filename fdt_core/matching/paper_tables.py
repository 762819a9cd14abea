"""The paper's tables 1 and 2, and the widths n reconstructed from them.

'Towards Efficient Convolutional Network Models with Filter Distribution Templates' (Izquierdo-Cordova and
Mayol-Cuevas). The paper does not print n; these reproduce every parameter count to the printed precision.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape

PAPER_DATASETS = ("cifar10", "cifar100", "cinic10", "tinyimagenet")

PRINTED_MFLOPS = {"vgg19": "399", "resnet50": "1307"}
"""FLOPs of the base models on CIFAR-10 in millions, as printed (captions of tables 1 and 2), truncated."""


@dataclass(frozen=True, kw_only=True)
class PublishedCell:
    """The test accuracy in one cell of a table: mean and standard deviation over three runs, in per cent."""

    mean: float
    std: float


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One row of the paper's tables.

    Args:
        model: name of the architecture.
        template: base or a to e.
        n: the reconstructed free width, None for base.
        params_millions: as printed, truncated to two decimals; text, because the digits are what is compared.
        memory_mb: as printed (under the heading 'GB', a slip), truncated to one decimal, as text.
        inference_ms: as printed.
        accuracy: for each data set.
    """

    model: str
    template: str
    n: int | None
    params_millions: str
    memory_mb: str
    inference_ms: float
    accuracy: dict[str, PublishedCell]


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """The twelve rows of the paper's tables, in its order."""
    text = files("fdt_core.matching").joinpath("paper_tables.csv").read_text(encoding="utf-8")
    return tuple(_row(cells) for cells in csv.DictReader(text.splitlines()))


def _row(cells: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        model=cells["model"],
        template=cells["template"],
        n=int(cells["reconstructed_n"]) if cells["reconstructed_n"] else None,
        params_millions=cells["params_millions"],
        memory_mb=cells["memory_mb"],
        inference_ms=float(cells["inference_ms"]),
        accuracy={
            name: PublishedCell(mean=float(cells[f"{name}_mean"]), std=float(cells[f"{name}_std"]))
            for name in PAPER_DATASETS
        },
    )


def published_n(model: str, template: str, *, image: ImageShape, width: float) -> int:
    """The reconstructed width n of the paper's network, for the budget rule `paper`.

    Raises:
        UsageError: for anything but vgg19 and resnet50 at width 1, templates a to e, on the paper's data sets.
    """
    known = {(row.model, row.template): row.n for row in published_rows() if row.n is not None}
    n = known.get((model, template))
    images = [dataset_info(name).image for name in PAPER_DATASETS]
    if n is None or width != 1 or image not in images:
        raise UsageError(
            f"the rule 'paper' knows only vgg19 and resnet50 at width 1 with templates a to e on "
            f"{', '.join(PAPER_DATASETS)}; not {model} at width {width:g} with template {template} on {image.size}x"
            f"{image.size} images of {image.classes} classes: use the rule nearest or at_most"
        )
    return n


def require_paper_dataset(dataset: str) -> None:
    """Reject the rule `paper` for a data set that the paper does not use.

    Raises:
        UsageError: if `dataset` is not one of the paper's four.
    """
    if dataset not in PAPER_DATASETS:
        raise UsageError(
            f"the rule 'paper' is for the paper's data sets ({', '.join(PAPER_DATASETS)}), not {dataset}: "
            "use the rule nearest or at_most"
        )
