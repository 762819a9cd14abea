"""Archives in their real layouts: prepared, verified and trained on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdt_core.datasets.prepare import prepare_dataset, publish
from fdt_core.datasets.prepared import load_prepared
from fdt_core.datasets.raw_files.source import Placed, Source
from fdt_core.datasets.verify import verify_prepared
from fdt_core.image import ImageShape
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from tests.fdt_core.datasets.archives import (
    cinic10_files,
    pixels,
    published,
    tinyimagenet_files,
    write_folder,
)
from tests.fdt_core.datasets.preparing import PAPER
from tests.fdt_core.trials import small_spec

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.trainer
@pytest.mark.parametrize("name", PAPER)
def test_an_archive_is_prepared_verified_and_trained_on(tmp_path: Path, data: Path, name: str) -> None:
    published(name, data / "raw")
    description = prepare_dataset(name, data, unchecked=True)
    assert verify_prepared(name, data) == description
    prepared = load_prepared(name, data)
    assert len(prepared.class_names) == prepared.info.image.classes
    assert prepared.train_images.shape[1:] == (prepared.info.image.size,) * 2 + (3,)
    assert set(np.unique(prepared.train_labels)) == set(range(prepared.info.image.classes))
    spec = small_spec(data=prepared, epochs=1, batch_size=64)
    training = Training(spec, DeviceDataset(prepared, "cpu"), device="cpu")
    (record,) = training.epochs()
    assert np.isfinite(record.train_loss)
    assert record.test_accuracy is not None


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("cifar10", "dddf1cf91453e7cb610153c62cd0e03bcd7a943c6f8eafbd0d9ed01b97b00545"),
        ("cifar100", "f8993a274097840531662c46f06a576e858c8786937ed8bbdd2c5af8e1616810"),
        ("cinic10", "d19ba85fd0999e4f9f3ee1559d3dd783607ed79cb014968886432c58db5dbb61"),
    ],
)
def test_digests_are_those_of_version_0_1_0(data: Path, name: str, digest: str) -> None:
    published(name, data / "raw")
    assert prepare_dataset(name, data, unchecked=True).digest == digest


def test_cifar_images_are_turned_from_planes_to_pixels(data: Path) -> None:
    published("cifar10", data / "raw")
    prepare_dataset("cifar10", data, unchecked=True)
    prepared = load_prepared("cifar10", data)
    assert prepared.class_names[3] == "cat"
    second_batch = pixels(20, 3072, seed=1).reshape(20, 3, 32, 32)
    assert np.array_equal(prepared.train_images[20 + 7], second_batch[7].transpose(1, 2, 0))
    assert np.array_equal(prepared.test_images[4], pixels(20, 3072, seed=5)[4].reshape(3, 32, 32).transpose(1, 2, 0))
    assert prepared.train_labels.tolist() == [*range(10)] * 10


def test_cifar100_has_its_fine_labels(data: Path) -> None:
    published("cifar100", data / "raw")
    prepare_dataset("cifar100", data, unchecked=True)
    prepared = load_prepared("cifar100", data)
    assert prepared.class_names[42] == "fine42"
    assert prepared.train_labels[142] == 42


def test_cinic10_trains_on_train_and_tests_on_valid(data: Path) -> None:
    published("cinic10", data / "raw")
    prepare_dataset("cinic10", data, unchecked=True)
    prepared = load_prepared("cinic10", data)
    assert prepared.info.train_images == prepared.info.test_images == 30
    assert np.array_equal(prepared.train_images[3 * 4 + 2], pixels(32, 32, 3, seed=42)), "deer, third image"
    assert np.array_equal(prepared.test_images[3 * 4 + 2], pixels(32, 32, 3, seed=1042))
    grey = pixels(32, 32, seed=40)
    assert np.array_equal(prepared.train_images[3 * 4], np.stack([grey] * 3, axis=2))


def test_tinyimagenet_labels_its_validation_images_by_their_annotations(data: Path) -> None:
    published("tinyimagenet", data / "raw")
    prepare_dataset("tinyimagenet", data, unchecked=True)
    prepared = load_prepared("tinyimagenet", data)
    files = tinyimagenet_files()
    ids = sorted(files["wnids.txt"].decode().split())
    lines = [line.split("\t") for line in files["val/val_annotations.txt"].decode().splitlines()]
    assert prepared.test_labels.tolist() == [ids.index(line[1]) for line in lines]
    assert prepared.class_names[5] == f"thing {ids[5]}"
    first = np.asarray(Image.open(io.BytesIO(files["val/images/val_0.JPEG"])))
    assert np.array_equal(prepared.test_images[0], first)


def test_an_unpacked_folder_gives_the_same_data_as_the_archive(tmp_path: Path, data: Path) -> None:
    archive = published("cinic10", data / "raw")
    folder = write_folder(tmp_path / "unpacked" / "CINIC-10", cinic10_files())
    first = prepare_dataset("cinic10", data, origin=archive, unchecked=True)
    second = prepare_dataset("cinic10", tmp_path / "other", origin=folder.parent, unchecked=True)
    assert first.digest == second.digest


def test_the_archive_is_found_in_the_given_folder(tmp_path: Path, data: Path) -> None:
    published("cifar100", tmp_path / "downloads")
    prepare_dataset("cifar100", data, origin=tmp_path / "downloads", unchecked=True)
    assert load_prepared("cifar100", data).info.train_images == 200


def test_the_digest_depends_on_every_pixel_label_and_class_name(tmp_path: Path) -> None:
    def digest(number: int, **changed: Any) -> str:
        images, labels = pixels(6, 8, 8, 3), np.arange(6) % 2
        parts: dict[str, Any] = {"images": images, "labels": labels, "names": ("a", "b")}
        parts |= changed
        source = Source(
            image=ImageShape(size=8, classes=2),
            class_names=parts["names"],
            train_labels=parts["labels"],
            test_labels=labels,
            images=[
                Placed(split="test", position=0, images=images),
                Placed(split="train", position=4, images=parts["images"][4:]),
                Placed(split="train", position=0, images=parts["images"][:4]),
            ],
        )
        return publish("x", lambda: source, tmp_path / str(number)).digest

    changed_pixel = pixels(6, 8, 8, 3)
    changed_pixel[5, 7, 7, 2] ^= 1
    digests = [
        digest(0),
        digest(1),
        digest(2, images=changed_pixel),
        digest(3, labels=np.array([1, 1, 0, 1, 0, 1])),
        digest(4, names=("a", "c")),
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


@pytest.mark.trainer
@pytest.mark.skipif(not FASHION_MNIST.exists(), reason="needs Debian's images: apt-get install dataset-fashion-mnist")
def test_the_real_fashion_mnist_is_found_where_debian_puts_it(data: Path) -> None:
    description = prepare_dataset("fashion_mnist", data)
    assert (description.train_images, description.test_images) == (60_000, 10_000)
    prepared = load_prepared("fashion_mnist", data)
    assert np.bincount(prepared.train_labels).tolist() == [6000] * 10
    assert not prepared.train_images[:, :2].any(), "padded by two black rows"
    # The usual constants of the 28x28 images, 0.2860 and 0.3530, follow from those of the padded ones.
    part = 28**2 / 32**2
    mean = prepared.mean[0] / part
    assert mean == pytest.approx(0.2860, abs=1e-4)
    assert ((prepared.std[0] ** 2 + prepared.mean[0] ** 2) / part - mean**2) ** 0.5 == pytest.approx(0.3530, abs=1e-4)


def test_mean_and_std_are_those_of_numpy(data: Path) -> None:
    published("cifar10", data / "raw")
    prepare_dataset("cifar10", data, unchecked=True)
    prepared = load_prepared("cifar10", data)
    values = prepared.train_images.astype(np.float64).reshape(-1, 3) / 255
    assert prepared.mean == pytest.approx(values.mean(axis=0).tolist())
    assert prepared.std == pytest.approx(values.std(axis=0, ddof=1).tolist())
