"""The command `data`: list, prepare, verify."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from lab.sweeps import FDT_SWEEP
from tests.fdt_core.datasets.archives import image_file, pixels, published, write_folder

pytestmark = pytest.mark.trainer


def data(directory: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*FDT_SWEEP, "data", *arguments, "--data-dir", str(directory)], capture_output=True, text=True
    )
    assert done.returncode == expect, done.stderr
    return done


def test_list_prepare_and_verify(tmp_path: Path) -> None:
    published("cifar10", tmp_path / "raw")
    assert "digest" in data(tmp_path, "prepare", "digits").stdout
    data(tmp_path, "prepare", "cifar10", "--unchecked")
    listed = {row["name"]: row for row in json.loads(data(tmp_path, "list", "--json").stdout)}
    assert listed["cifar10"]["train_images"] == 100
    assert listed["cifar10"]["digest"]
    assert listed["cifar100"]["digest"] is None
    assert listed["cifar100"]["state"] == "not prepared"
    assert data(tmp_path, "verify", "digits", "cifar10").stdout.count("is as prepared") == 2


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    data(tmp_path, "prepare", "digits")
    labels = tmp_path / "digits" / "train_labels.npy"
    labels.write_bytes(labels.read_bytes()[:-8] + b"\x00" * 8)
    assert "its digest differs" in data(tmp_path, "verify", "digits", expect=3).stderr
    data(tmp_path, "prepare", "digits", "--replace")
    data(tmp_path, "verify", "digits")


def test_an_own_folder_is_listed_and_prepared(tmp_path: Path) -> None:
    pictures = {f"{name}/{i}.png": image_file(pixels(20, 20, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "pictures", pictures)
    (tmp_path / "datasets.yaml").write_text("pets: {folder: pictures, size: 16}\n")
    assert "pets" in data(tmp_path, "list").stdout
    assert "8 training and 2 test images" in data(tmp_path, "prepare", "pets").stdout


def test_a_resized_data_set_shows_its_crop_ratio_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    pictures = {f"{name}/{i}.png": image_file(pixels(20, 30, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "pictures", pictures)
    file = tmp_path / "datasets.yaml"
    file.write_text("pets: {folder: pictures, resize: {size: 16, crop_ratio: 0.8}}\n")

    def listed() -> str:
        return next(line for line in data(tmp_path, "list").stdout.splitlines() if line.startswith("pets"))

    assert listed().endswith("  not prepared, crop_ratio 0.8")
    assert "\n  resized to a shorter side of 20 pixels, the central 16x16" in data(tmp_path, "prepare", "pets").stdout
    assert re.search(r"  prepared, digest \w{12}, crop_ratio 0\.8$", listed())
    rows = {row["name"]: row for row in json.loads(data(tmp_path, "list", "--json").stdout)}
    assert (rows["pets"]["crop_ratio"], rows["digits"]["crop_ratio"]) == (0.8, None)
    file.write_text("pets: {folder: pictures, size: 16}\n")
    refused = data(tmp_path, "prepare", "pets", expect=3).stderr
    assert "datasets.yaml:1: pets.size: is 16, but" in refused
    assert len(refused.splitlines()) == 1
    assert listed().endswith("  prepared with other settings")
    (sweep := tmp_path / "sweep.yaml").write_text(
        "name: s\nmodels: [vgg11]\ntemplates: [base]\ndatasets: [pets]\nseeds: 1\n"
    )
    plan = [*FDT_SWEEP, "plan", str(sweep), "--data-dir", str(tmp_path)]
    planned = subprocess.run(plan, capture_output=True, text=True)
    assert (planned.returncode, "pets.size: is 16" in planned.stderr) == (3, True), planned.stderr
    data(tmp_path, "prepare", "pets", "--replace")
    assert "crop_ratio" not in listed()


def test_images_that_lie_where_prepared_data_goes_are_not_lost(tmp_path: Path) -> None:
    pictures = {f"{name}/{i}.png": image_file(pixels(20, 20, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "pets", pictures)
    (tmp_path / "datasets.yaml").write_text("pets: {folder: pets, size: 16}\n")
    assert "it holds other files, such as cat: move them" in data(tmp_path, "prepare", "pets", expect=3).stderr
    assert len(list((tmp_path / "pets").glob("*/*.png"))) == 10


def test_mistakes_exit_with_2_and_missing_files_with_3(tmp_path: Path) -> None:
    assert "did you mean 'cifar10'" in data(tmp_path, "prepare", "cifar1", expect=2).stderr
    assert "one at a time" in data(tmp_path, "prepare", "all", "--from", str(tmp_path), expect=2).stderr
    missing = data(tmp_path, "prepare", "cinic10", expect=3)
    assert "put CINIC-10.tar.gz" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1
    assert "data prepare cifar100" in data(tmp_path, "verify", "cifar100", expect=3).stderr


def test_what_was_left_out_and_the_classes_are_printed_after_preparation(tmp_path: Path) -> None:
    pictures = {f"{name}/{i}.png": image_file(pixels(20, 20, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "pictures", pictures | {"cat/notes.txt": b"x", "dog/.DS_Store": b"x"})
    (tmp_path / "datasets.yaml").write_text("pets: {folder: pictures, size: 16}\n")
    assert data(tmp_path, "prepare", "pets").stdout.splitlines()[1:] == [
        "  skipped: 1 file (.txt 1)",
        "  hidden or system files left out: .DS_Store 1",
        "  2 classes (training + test images): cat 4 + 1, dog 4 + 1",
    ]
    (row,) = json.loads(data(tmp_path, "prepare", "pets", "--json").stdout)
    assert row["notes"][0] == "skipped: 1 file (.txt 1)"


def test_a_folder_that_is_not_right_does_not_hide_the_others(tmp_path: Path) -> None:
    good = {f"{name}/{i}.png": image_file(pixels(20, 20, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "good", good)
    write_folder(tmp_path / "lonely", good | {"fox/1.png": b""})
    write_folder(tmp_path / "damaged", good | {"dog/9.png": b"x"})
    (tmp_path / "damaged" / "dog" / "9.png").rename(tmp_path / "damaged" / "dog" / os.fsdecode(b"caf\xe9.png"))
    for name in ("empty", "described"):
        (tmp_path / name).mkdir()
    (tmp_path / "described" / "dataset.json").write_text("{}")
    (tmp_path / "datasets.yaml").write_text(
        "pets: {folder: good, size: 16}\nbare: {folder: empty, size: 16}\nlone: {folder: lonely, size: 16}\n"
        "broken: {folder: damaged, size: 16}\nnone: {folder: nowhere, size: 16}\ndescribed: {folder: good, size: 16}\n"
        "ghost: {folder: ~nobody_at_all/x, size: 16}\n"
    )
    done = data(tmp_path, "prepare", "pets", "bare", "lone", "broken", "none", "ghost", expect=3)
    assert "pets is prepared" in done.stdout
    reasons = ["empty holds no images", "lone.test_part: 0.2", r"dog/caf\xe9.png is not", "nowhere is not a folder"]
    problems = done.stderr.splitlines()
    assert len(problems) == 5
    assert all(reason in line for reason, line in zip(reasons, problems, strict=False))
    listing = data(tmp_path, "list")
    listed = {line.split()[0]: line for line in listing.stdout.splitlines()}
    assert "prepared, digest" in listed["pets"]
    assert "cannot be prepared" in listed["bare"]
    assert "damaged" in listed["described"]
    for reason in ("holds no images", "no training image of fox", "dataset.json is damaged"):
        assert sum(reason in line for line in listing.stderr.splitlines()) == 1
    json.loads(data(tmp_path, "list", "--json").stdout)
    assert "pets is as prepared" in data(tmp_path, "verify", "all", expect=3).stdout
    assert "lone.test_part" in data(tmp_path, "prepare", "lone", expect=2).stderr


def test_a_damaged_description_of_an_own_data_set_can_be_replaced(tmp_path: Path) -> None:
    pictures = {f"{name}/{i}.png": image_file(pixels(20, 20, 3), "PNG") for name in ("cat", "dog") for i in range(5)}
    write_folder(tmp_path / "pictures", pictures)
    (tmp_path / "datasets.yaml").write_text("pets: {folder: pictures, size: 16}\n")
    data(tmp_path, "prepare", "pets")
    (tmp_path / "pets" / "dataset.json").write_text("{")
    assert "--replace" in data(tmp_path, "prepare", "pets", expect=3).stderr
    data(tmp_path, "prepare", "pets", "--replace")
