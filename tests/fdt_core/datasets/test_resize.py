"""`resize` in datasets.yaml: what is prepared, how it is identified, and which entries are refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared
from fdt_core.datasets.raw_files.resizing import Resize
from fdt_core.datasets.store import read_description
from fdt_core.datasets.summary import summary_lines
from fdt_core.datasets.user_datasets import OutdatedData
from fdt_core.datasets.verify import verify_prepared
from fdt_core.errors import UsageError
from tests.fdt_core.datasets.archives import image_file, pixels, write_folder

SHAPES = ((31, 20), (20, 31), (40, 40), (9, 70), (1, 5))
CUT = "resize: {size: 16, crop_ratio: 0.8}"

Declare = Callable[[str], Path]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Writes the entry of the data set `pets`, which has a folder of images; returns the data directory."""
    files = {
        f"{part}/{class_}/{number}.png": image_file(pixels(*shape, 3, seed=number), "PNG")
        for part in ("train", "test")
        for class_ in ("cat", "dog")
        for number, shape in enumerate(SHAPES)
    }
    write_folder(tmp_path / "photos", files)

    def write(settings: str) -> Path:
        (tmp_path / "datasets.yaml").write_text(f"# Images\npets: {{folder: photos, {settings}}}\n")
        return tmp_path

    return write


def test_training_and_test_images_are_resized_alike_as_torchvision_does(declare: Declare) -> None:
    data = declare(CUT)
    prepare_dataset("pets", data)
    prepared = load_prepared("pets", data)
    protocol = v2.Compose(
        [v2.Resize(20, interpolation=InterpolationMode.BICUBIC, antialias=True), v2.CenterCrop(16), v2.RGB()]
    )
    files = [image_file(pixels(*shape, 3, seed=number), "PNG") for number, shape in enumerate(SHAPES)]
    expected = np.stack([np.asarray(protocol(Image.open(io.BytesIO(file)))) for file in files] * 2)
    assert np.array_equal(prepared.test_images, expected)
    assert np.array_equal(prepared.train_images, expected), "things have the same scale in training and test"


def test_the_facts_are_known_before_preparation(declare: Declare) -> None:
    data = declare(CUT)
    before = dataset_info("pets", data)
    description = prepare_dataset("pets", data)
    assert before == description.info == dataset_info("pets", data)
    assert before.image.size == 16
    assert description.resize == Resize(size=16, crop_ratio=0.8)
    assert verify_prepared("pets", data) == description


def test_size_alone_gives_the_files_of_earlier_versions(declare: Declare) -> None:
    data = declare("size: 16")
    description = prepare_dataset("pets", data)
    assert description.digest == "5e807f4c1c1a765494f6d8e3ed173e0c096f6d51144f709c3da56c0145037a16"
    written = json.loads((data / "pets" / "dataset.json").read_text())
    assert list(written)[-2:] == ["digest", "notes"]


def test_the_summary_reports_the_resizing(declare: Declare) -> None:
    data = declare(CUT)
    lines = summary_lines(prepare_dataset("pets", data), data / "pets")
    assert lines[0] == "resized to a shorter side of 20 pixels, the central 16x16 cut out"
    data = declare("size: 16")
    assert "resized" not in "".join(summary_lines(prepare_dataset("pets", data, replace=True), data / "pets"))


def test_the_setting_is_part_of_the_digest_even_where_no_pixel_shows_it(tmp_path: Path) -> None:
    grey = image_file(np.full((30, 30, 3), 99, dtype=np.uint8), "PNG")
    write_folder(tmp_path / "photos", {f"{class_}/{number}.png": grey for class_ in "ab" for number in range(5)})
    digests = set()
    for number, settings in enumerate(("size: 16", "resize: {size: 16, crop_ratio: 1}", CUT)):
        data = tmp_path / str(number)
        data.mkdir()
        (data / "datasets.yaml").write_text(f"pets: {{folder: {tmp_path}/photos, {settings}}}\n")
        digests.add(prepare_dataset("pets", data).digest)
    assert len(digests) == 3


def test_a_forged_setting_is_found_by_verification(declare: Declare) -> None:
    data = declare(CUT)
    prepare_dataset("pets", data)
    description = data / "pets" / "dataset.json"
    description.write_text(description.read_text().replace("0.8", "0.9"))
    with pytest.raises(Exception, match="its digest differs"):
        verify_prepared("pets", data)


CHANGES = {
    ("size: 16", "size: 24"): r"pets\.size: is 24, but .*pets was prepared with size: 16: ",
    ("size: 16", CUT): r"pets\.resize: is \{size: 16, crop_ratio: 0\.8\}, but .*pets was prepared with size: 16: ",
    (CUT, "size: 16"): r"pets\.size: is 16, but .* was prepared with resize: \{size: 16, crop_ratio: 0\.8\}: ",
    (CUT, "resize: {size: 16, crop_ratio: 0.9}"): r"pets\.resize: is \{size: 16, crop_ratio: 0\.9\}, but .* 0\.8\}: ",
}


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_changed_entry_is_refused_until_it_is_prepared_again(declare: Declare, before: str, after: str) -> None:
    data = declare(before)
    first = prepare_dataset("pets", data)
    declare(after)
    message = rf"datasets\.yaml:2: {CHANGES[before, after]}run `fdt-sweep data prepare pets --replace --data-dir "
    with pytest.raises(OutdatedData, match=message):
        prepare_dataset("pets", data)
    with pytest.raises(OutdatedData, match=message):
        dataset_info("pets", data)
    assert read_description(data / "pets") == first
    replaced = prepare_dataset("pets", data, replace=True)
    assert replaced.digest != first.digest
    assert prepare_dataset("pets", data) == replaced
    assert dataset_info("pets", data) == replaced.info


def test_a_restored_entry_is_accepted_again(declare: Declare) -> None:
    data = declare(CUT)
    first = prepare_dataset("pets", data)
    declare("size: 16")
    declare(CUT)
    assert prepare_dataset("pets", data) == first


def test_running_trials_keep_the_data_that_they_started_with(declare: Declare) -> None:
    data = declare(CUT)
    first = prepare_dataset("pets", data)
    declare("size: 24")
    assert load_prepared("pets", data).digest == first.digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("size: 16, resize: {size: 16, crop_ratio: 0.8}", "pets: give either size or resize, not both"),
        ("test_part: 0.2", r"pets: needs size \(such as 64\) or resize \(such as \{size: 64, crop_ratio: 0\.875\}\)"),
        ("resize: 16", r"pets\.resize: must be a mapping"),
        ("resize: {size: 16}", r"pets\.resize\.crop_ratio: this key is missing"),
        ("resize: {crop_ratio: 0.5}", r"pets\.resize\.size: this key is missing"),
        ("resize: {size: 16, crop: 0.5}", r"pets\.resize\.crop: unknown key \(known: size, crop_ratio\)"),
        ("resize: {size: 7, crop_ratio: 1}", r"pets\.resize\.size: must be greater than or equal to 8, not 7"),
        ("resize: {size: 16.5, crop_ratio: 1}", r"pets\.resize\.size: must be an integer"),
        ("resize: {size: 16, crop_ratio: 0}", r"pets\.resize\.crop_ratio: must be greater than 0, not 0"),
        (
            "resize: {size: 16, crop_ratio: 1.01}",
            r"pets\.resize\.crop_ratio: must be less than or equal to 1, not 1\.01",
        ),
        ("resize: {size: 16, crop_ratio: .nan}", r"pets\.resize\.crop_ratio: "),
        ("resize: {size: 16, crop_ratio: half}", r"pets\.resize\.crop_ratio: must be a number, not \"half\""),
        (
            "resize: {size: 16, crop_ratio: 0.001}",
            r"pets\.resize: size / crop_ratio must be at most 4,096 pixels, not 16,000",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_file_line_and_key(declare: Declare, settings: str, message: str) -> None:
    data = declare(settings)
    with pytest.raises(UsageError, match=rf"datasets\.yaml:2: {message}"):
        dataset_info("pets", data)
