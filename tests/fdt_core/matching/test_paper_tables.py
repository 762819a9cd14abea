"""The paper's tables as data, and the check against them."""

from dataclasses import replace

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching import paper_check
from fdt_core.matching.paper_check import check_paper
from fdt_core.matching.paper_tables import PAPER_DATASETS, published_n, published_rows, require_paper_dataset
from tests.fdt_core.paper_networks import RECONSTRUCTED_PARAMS


def test_the_tables_have_twelve_rows() -> None:
    rows = published_rows()
    assert [(row.model, row.template) for row in rows] == [
        (model, name) for model in ("vgg19", "resnet50") for name in ("base", "a", "b", "c", "d", "e")
    ]
    vgg_d = rows[4]
    assert (vgg_d.n, vgg_d.params_millions, vgg_d.memory_mb, vgg_d.inference_ms) == (390, "8.07", "39.8", 1.37)
    assert (vgg_d.accuracy["cifar100"].mean, vgg_d.accuracy["tinyimagenet"].std) == (74.64, 0.18)
    assert rows[6].accuracy["cinic10"].std == 0.93


def test_all_26_printed_values_are_reproduced() -> None:
    values = check_paper()
    assert len(values) == 26
    assert [value for value in values if not value.agrees] == []
    assert [value.printed for value in values if (value.model, value.template) == ("resnet50", "base")] == [
        "23.52",
        "185.5",
        "1307",
    ]


def test_values_are_truncated_as_in_the_paper_and_differences_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {(value.model, value.template, value.quantity): value.computed for value in check_paper()}
    assert shown["vgg19", "c", "parameters (millions)"] == "1.89"  # 1.891695
    assert shown["resnet50", "a", "memory (MB)"] == "146.8"
    assert shown["vgg19", "e", "parameters (millions)"] == "2.06"  # 2.066849 would round to 2.07
    wrong = tuple(replace(row, params_millions="9.99") if row.template == "b" else row for row in published_rows())
    monkeypatch.setattr(paper_check, "published_rows", lambda: wrong)
    assert [(value.model, value.template) for value in check_paper() if not value.agrees] == [
        ("vgg19", "b"),
        ("resnet50", "b"),
    ]


def test_the_networks_of_the_paper_have_the_reconstructed_parameters() -> None:
    found = {(row.model, row.template): paper_check._cost(row).params for row in published_rows()}
    assert found == RECONSTRUCTED_PARAMS


def test_the_papers_n_are_only_for_its_four_data_sets() -> None:
    for image in (ImageShape(size=32, classes=10), ImageShape(size=32, classes=100), ImageShape(size=64, classes=200)):
        assert published_n("resnet50", "a", image=image, width=1.0) == 355
    for name in PAPER_DATASETS:
        require_paper_dataset(name)
    with pytest.raises(UsageError, match=r"for the paper's data sets \(cifar10, .*\), not digits"):
        require_paper_dataset("digits")
    with pytest.raises(UsageError, match="not vgg19 at width 1 with template base"):
        published_n("vgg19", "base", image=ImageShape(), width=1.0)
