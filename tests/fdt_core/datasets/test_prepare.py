"""Archives in their real layouts, intact and damaged, through preparation, verification and training."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdt_core.datasets.prepare import prepare_dataset, publish
from fdt_core.datasets.prepared import load_prepared, prepared_digest
from fdt_core.datasets.raw_files.source import Placed, Source
from fdt_core.datasets.verify import verify_prepared
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.image import ImageShape
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.trainer import Training
from tests.fdt_core.datasets.archives import (
    cifar10_files,
    cinic10_files,
    fashion_mnist_files,
    image_file,
    pixels,
    published,
    tinyimagenet_files,
    without,
    write_folder,
    write_tar,
    write_zip,
)
from tests.fdt_core.trials import small_spec

PAPER = ("cifar10", "cifar100", "cinic10", "tinyimagenet")
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def left_in(data: Path) -> list[str]:
    """The files in `data`, except locks."""
    return sorted(path.name for path in data.iterdir() if not path.name.endswith(".lock"))


def fails(name: str, data: Path, **options: Any) -> str:
    """The message of the error that preparing raises; nothing half-written stays."""
    before = left_in(data) if data.exists() else []
    with pytest.raises(EnvironmentProblem) as raised:
        prepare_dataset(name, data, **options)
    assert left_in(data) == before
    return str(raised.value)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_nothing_is_written_if_the_data_are_prepared_already(data: Path) -> None:
    described = prepare_dataset("digits", data)
    lock = data / ".digits.lock"
    lock.unlink()
    lock.mkdir()  # cannot be opened for writing, as in a read-only directory, which would not stop root
    assert prepare_dataset("digits", data) == described
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        prepare_dataset("digits", data, replace=True)


# From the archive to training


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


# Damaged, missing, in the way


def test_a_wrong_checksum_is_reported_with_the_file(data: Path) -> None:
    published("cifar10", data / "raw")
    message = fails("cifar10", data)
    assert "cifar-10-python.tar.gz" in message
    assert "MD5" in message


def test_a_wrong_number_of_images_is_reported(tmp_path: Path, data: Path) -> None:
    folder = write_folder(tmp_path / "cifar-10-batches-py", cifar10_files())
    assert "100 train images, not 50,000 as published" in fails("cifar10", data, origin=folder)


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("part", [0.2, 0.9])
def test_a_truncated_archive_is_reported_with_its_name(data: Path, name: str, part: float) -> None:
    archive = published(name, data / "raw")
    contents = archive.read_bytes()
    archive.write_bytes(contents[: int(part * len(contents))])
    assert archive.name in fails(name, data, unchecked=True)


def test_a_file_that_is_not_an_archive_is_reported(tmp_path: Path, data: Path) -> None:
    (tmp_path / "cifar.tar.gz").write_text("<html>404</html>")
    assert "cifar.tar.gz" in fails("cifar10", data, origin=tmp_path / "cifar.tar.gz", unchecked=True)
    assert "nowhere" in fails("cifar10", data, origin=tmp_path / "nowhere", unchecked=True)


def test_a_missing_batch_is_reported(tmp_path: Path, data: Path) -> None:
    folder = write_folder(tmp_path / "cifar", without(cifar10_files(), ["data_batch_4"]))
    assert "data_batch_4 is missing" in fails("cifar10", data, origin=folder, unchecked=True)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_missing_class_folder_is_reported(tmp_path: Path, data: Path, split: str) -> None:
    archive = write_tar(tmp_path / "CINIC-10.tar.gz", without(cinic10_files(), [f"{split}/frog/"]))
    assert f"{split}/frog/" in fails("cinic10", data, origin=archive, unchecked=True)


def test_a_missing_annotated_image_is_reported(tmp_path: Path, data: Path) -> None:
    archive = write_zip(tmp_path / "tiny.zip", without(tinyimagenet_files(), ["val/images/val_7.JPEG"]))
    assert "val/images/val_7.JPEG is missing" in fails("tinyimagenet", data, origin=archive, unchecked=True)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (b"no image", "not a usable image"),
        (image_file(pixels(32, 32, 3), "PNG")[:400], "not a usable image"),
        (image_file(pixels(16, 16, 3), "PNG"), "16x16"),
    ],
)
def test_an_unreadable_image_is_reported_with_archive_and_member(
    tmp_path: Path, data: Path, contents: bytes, why: str
) -> None:
    files = cinic10_files() | {"train/ship/n08_1.png": contents}
    message = fails("cinic10", data, origin=write_tar(tmp_path / "C.tar.gz", files), unchecked=True)
    assert "C.tar.gz: train/ship/n08_1.png" in message
    assert why in message


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, data: Path) -> None:
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    folder = write_folder(tmp_path / "cifar", cifar10_files() | {"data_batch_2": evil})
    assert "os.system" in fails("cifar10", data, origin=folder, unchecked=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", [lambda contents: contents[:-9], lambda contents: b"x" + contents[1:]])
def test_a_damaged_idx_file_is_reported(tmp_path: Path, data: Path, damage: Any) -> None:
    files = fashion_mnist_files()
    files["t10k-images-idx3-ubyte.gz"] = damage(files["t10k-images-idx3-ubyte.gz"])
    folder = write_folder(tmp_path / "fashion", files)
    assert "t10k-images-idx3-ubyte.gz" in fails("fashion_mnist", data, origin=folder, unchecked=True)


def test_too_little_disk_space_is_reported_before_anything_is_written(data: Path) -> None:
    many = np.broadcast_to(np.int64(0), (10**13,))
    source = Source(image=ImageShape(), class_names=("a", "b"), train_labels=many, test_labels=many[:1], images=())
    with pytest.raises(EnvironmentProblem, match="MB are needed"):
        publish("huge", lambda: source, data)
    assert left_in(data) == []


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.errors import EnvironmentProblem
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    prepare_dataset("digits", Path(sys.argv[1]))
except EnvironmentProblem as problem:
    print(problem)
"""


@pytest.mark.trainer
def test_a_disk_that_fills_while_writing_is_reported_and_nothing_remains(data: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILL_THE_DISK, str(data)], capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in done.stdout
    assert left_in(data) == []


def test_missing_files_are_reported_with_ways_to_get_them(data: Path) -> None:
    message = fails("tinyimagenet", data)
    for part in ("tiny-imagenet-200.zip", "--from", "--download", str(data / "raw")):
        assert part in message


def test_an_unknown_name_lists_the_known_ones(data: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        prepare_dataset("cifar", data)


def test_an_archive_for_the_embedded_data_set_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match="not read from an archive"):
        prepare_dataset("digits", data, origin=tmp_path)


# Repeated, concurrent, killed


def test_prepared_data_are_left_alone_unless_they_are_to_be_replaced(tmp_path: Path, data: Path) -> None:
    published("cifar10", data / "raw")
    first = prepare_dataset("cifar10", data, unchecked=True)
    images = data / "cifar10" / "train_images.npy"
    before = images.stat().st_mtime_ns
    other = write_folder(tmp_path / "other", cifar10_files(per_batch=30))
    assert prepare_dataset("cifar10", data, origin=other, unchecked=True) == first
    assert images.stat().st_mtime_ns == before
    replaced = prepare_dataset("cifar10", data, origin=other, unchecked=True, replace=True)
    assert replaced.train_images == 150
    assert left_in(data) == ["cifar10", "raw"]


PREPARE = """
import sys
from pathlib import Path
from fdt_core.datasets.prepared import prepared_digest
print(prepared_digest("digits", Path(sys.argv[1])))
"""


@pytest.mark.trainer
def test_processes_that_prepare_the_same_data_at_the_same_time_agree(data: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PREPARE, str(data)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    digests = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(digests) == 1
    assert left_in(data) == ["digits"]


SLOW = """
import os, sys, time
from pathlib import Path
import numpy as np
from fdt_core.datasets.prepare import publish
from fdt_core.datasets.raw_files.source import Placed, Source
from fdt_core.image import ImageShape
def images():
    yield Placed(split="train", position=0, images=np.zeros((5, 8, 8, 3), dtype=np.uint8))
    print("half", flush=True)
    time.sleep(60)
labels = np.zeros(10, dtype=np.int64)
source = Source(image=ImageShape(size=8), class_names=("a",), train_labels=labels, test_labels=labels, images=images())
publish("digits", lambda: source, Path(sys.argv[1]))
"""


@pytest.mark.trainer
def test_files_of_a_killed_process_are_not_used_and_the_next_one_removes_them(data: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(data)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was running until it was killed"
    process.stdout.close()
    assert [name for name in left_in(data) if name.startswith(".digits.partial-")]
    assert load_prepared("digits", data).info.train_images == 1437
    assert left_in(data) == ["digits"]


def test_the_error_for_unprepared_data_names_the_command(data: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="fdt-sweep data prepare cifar10"):
        load_prepared("cifar10", data)


def test_digits_are_prepared_on_first_use(data: Path) -> None:
    digest = prepared_digest("digits", data)
    prepared = load_prepared("digits", data)
    assert prepared.digest == digest
    assert prepared.train_images.shape == (1437, 32, 32, 3)
    assert prepared.train_images.max() == 255
    assert np.bincount(prepared.test_labels, minlength=10).min() > 25


# Verification


@pytest.mark.parametrize("file", ["train_images.npy", "test_labels.npy"])
def test_verification_finds_a_flipped_bit(data: Path, file: str) -> None:
    prepared_digest("digits", data)
    path = data / "digits" / file
    contents = bytearray(path.read_bytes())
    contents[-100] ^= 1
    path.write_bytes(contents)
    with pytest.raises(EnvironmentProblem, match="data prepare digits --replace"):
        verify_prepared("digits", data)


@pytest.mark.parametrize("file", ["train_images.npy", "dataset.json"])
def test_a_truncated_file_is_reported_when_it_is_opened(data: Path, file: str) -> None:
    prepared_digest("digits", data)
    path = data / "digits" / file
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EnvironmentProblem, match=file):
        load_prepared("digits", data)


def test_a_missing_file_is_reported_when_it_is_opened(data: Path) -> None:
    prepared_digest("digits", data)
    (data / "digits" / "test_images.npy").unlink()
    with pytest.raises(EnvironmentProblem, match=r"test_images\.npy"):
        load_prepared("digits", data)
