"""Accuracy and time of a real training: VGG19 at width 0.25 on the 60,000 images of Fashion-MNIST, recipe `quick`.

    python -m benchmarks.fashion_mnist

Uses all cores of this process. The first run prepares the data in FDT_DATA_DIR or ./data, from the files of Debian's
package dataset-fashion-mnist or from DATA_DIR/raw.
"""

from __future__ import annotations

import os

from benchmarks.report import print_report
from fdt_core.compute.process import prepare_process
from fdt_core.datasets.info import data_directory
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared
from fdt_core.networks.architectures import architecture
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from fdt_core.trial.recipe import recipe_for
from fdt_core.trial.spec import TrialSpec

DATASET = "fashion_mnist"
WIDTH = 0.25


def main() -> None:
    """Train, and print the test accuracy after each epoch."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    prepare_process(threads)
    prepare_dataset(DATASET, data_directory())
    data = load_prepared(DATASET, data_directory())
    spec = TrialSpec(
        model="vgg19",
        width=WIDTH,
        widths=architecture("vgg19").scaled_widths(WIDTH),
        dataset=DATASET,
        image=data.info.image,
        seed=0,
        recipe=recipe_for("quick", DATASET),
        threads=threads,
    )
    training = Training(spec, DeviceDataset(data, "cpu"), device="cpu")
    for record in training.epochs():
        print(f"epoch {record.epoch}: test accuracy {record.test_accuracy:.2f} %, {record.seconds:.1f} s", flush=True)
    result = training.result()
    last = result.history[-1]
    assert last.test_accuracy is not None
    print_report(
        "fashion_mnist",
        ratios={},
        figures={
            "test_accuracy_percent": last.test_accuracy,
            "epochs": len(result.history),
            "train_seconds": result.train_seconds,
            "images_per_second": result.images_per_second,
            "threads": threads,
        },
        packages=("torch",),
    )


if __name__ == "__main__":
    main()
