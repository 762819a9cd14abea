"""Prepared data: left alone, replaced, prepared by several processes at once, opened and verified."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared, prepared_digest
from fdt_core.datasets.verify import verify_prepared
from fdt_core.errors import EnvironmentProblem
from tests.fdt_core.datasets.archives import (
    cifar10_files,
    published,
    write_folder,
)
from tests.fdt_core.datasets.preparing import left_in


def test_nothing_is_written_if_the_data_are_prepared_already(data: Path) -> None:
    described = prepare_dataset("digits", data)
    lock = data / ".digits.lock"
    lock.unlink()
    lock.mkdir()  # cannot be opened for writing, as in a read-only directory, which would not stop root
    assert prepare_dataset("digits", data) == described
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        prepare_dataset("digits", data, replace=True)


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
