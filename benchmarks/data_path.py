"""Images per second and core, ready to train on: cropped, flipped, normalised, cut out, in batches of 128.

    python -m benchmarks.data_path

Ours is the trainer's path over a data set in memory. The alternative is torchvision's transforms behind a DataLoader:
the faster of its two versions of transforms, without workers, which is its fastest way per core. Everything runs on one
core. As the alternative takes much longer, each of its turns covers a random tenth of the images. Seconds are processor
seconds; on one thread, they equal wall-clock seconds on an idle machine.
"""

from __future__ import annotations

import time
from statistics import median

from benchmarks.alternatives.usual_pipeline import (
    BATCH_SIZE,
    pin_to_one_core,
    transforms_v1,
    transforms_v2,
    usual_loader,
)
from benchmarks.report import interleaved_seconds, print_report
from fdt_core.training.augmentation.draws import draw_augmentation, draw_order
from fdt_core.training.augmentation.normalisation import Normalisation
from fdt_core.training.augmentation.pipeline import Augmentation
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.trial.recipe import Recipe
from lab.noise_images import noise_images

IMAGES = 50_000
USUAL_IMAGES = IMAGES // 10
ROUNDS = 9


class OurPath:
    """The batches of one epoch as the trainer makes them, including the random draws."""

    def __init__(self, data: DeviceDataset) -> None:
        self._data, self._recipe, self._epoch = data, Recipe(), 0
        normalise = Normalisation(mean=data.mean, std=data.std, image_size=data.image_size, device=data.device)
        self._augment = Augmentation(self._recipe, normalise)

    def __call__(self) -> None:
        """Make the batches of the next epoch."""
        self._epoch += 1
        keys = {"images": self._data.train_images, "seed": 0, "epoch": self._epoch}
        order = draw_order(**keys)
        draws = draw_augmentation(self._recipe, image_size=self._data.image_size, **keys)
        for start in range(0, len(order), BATCH_SIZE):
            images, _ = self._data.gather("train", order[start : start + BATCH_SIZE])
            self._augment(images, draws.batch(start, BATCH_SIZE))


def main() -> None:
    """Measure all candidates in turn."""
    pin_to_one_core()
    data = noise_images(IMAGES)
    usual = {
        f"torchvision_{version}": usual_loader(data, transform(data), images=USUAL_IMAGES)
        for version, transform in (("v1", transforms_v1), ("v2", transforms_v2))
    }
    ours = OurPath(DeviceDataset(data, "cpu"))
    candidates = {"ours": ours} | {name: lambda loader=loader: [None for _ in loader] for name, loader in usual.items()}
    interleaved_seconds(candidates, rounds=1)  # warm up
    seconds = interleaved_seconds(candidates, rounds=ROUNDS, clock=time.process_time)
    rates = {name: (IMAGES if name == "ours" else USUAL_IMAGES) / median(values) for name, values in seconds.items()}
    print_report(
        "data_path",
        ratios={"torchvision_dataloader": rates["ours"] / max(rates[name] for name in usual)},
        figures={f"{name}_images_per_second": rate for name, rate in rates.items()},
        packages=("torch", "torchvision", "pillow"),
    )


if __name__ == "__main__":
    main()
