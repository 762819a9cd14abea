"""The paper's statements as queries on a study: those that its numbers support, and its errors."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis import Study
from analysis.needs import choices
from analysis.rounding import rounding
from analysis.statistics.verdicts import is_separated


def cells(paper: Study, model: str, dataset: str = "cifar10") -> pd.DataFrame:
    """The cells of one model and data set, by template."""
    chosen = (paper.cells["model"] == model) & (paper.cells["dataset"] == dataset)
    return paper.cells[chosen].set_index("template")


def saved(paper: Study, model: str, column: str, template: str, scale: float = 1.0, decimals: int = 1) -> float:
    """Per cent saved against base, as the paper computes it."""
    values = cells(paper, model)[column] / scale
    percent = rounding("paper").percent_from(values[template], values["base"], decimals)
    assert percent is not None
    return -float(percent)


def best(paper: Study, model: str, dataset: str) -> str:
    return str(cells(paper, model, dataset)["mean"].idxmax())


def differences(paper: Study, model: str) -> pd.DataFrame:
    """The differences to base of one model, by data set and template."""
    found = paper.differences
    return found[found["model"] == model].set_index(["dataset", "template"])


def above_base(paper: Study, model: str) -> pd.Series[bool]:
    return differences(paper, model)["difference"] > 0


def test_vgg_gains_up_to_2_11_points_mostly_by_template_d(paper: Study) -> None:
    gains = differences(paper, "vgg19")["difference"]
    assert gains.idxmax() == ("tinyimagenet", "d")
    assert gains.max() == pytest.approx(2.11, abs=1e-9)
    assert [best(paper, "vgg19", dataset) for dataset in paper.datasets] == ["d"] * 4


def test_template_c_saves_90_79_and_25_per_cent_of_vgg(paper: Study) -> None:
    assert saved(paper, "vgg19", "params", "c", 1e6, 2) == 90.5
    assert saved(paper, "vgg19", "memory_mb", "c") == 79.5
    assert saved(paper, "vgg19", "latency_ms", "c", 1, 2) == 25.0


def test_template_c_saves_85_30_and_20_per_cent_of_resnet_and_is_its_fastest(paper: Study) -> None:
    assert saved(paper, "resnet50", "params", "c", 1e6, 2) == 85.2
    assert saved(paper, "resnet50", "memory_mb", "c") == 30.5
    assert saved(paper, "resnet50", "latency_ms", "c", 1, 2) == 20.4
    assert cells(paper, "resnet50")["latency_ms"].idxmin() == "c"


def test_every_template_saves_parameters_memory_and_time_everywhere(paper: Study) -> None:
    for model in ("vgg19", "resnet50"):
        for cost in ("params", "memory_mb", "latency_ms"):
            values = cells(paper, model)[cost]
            assert values.drop("base").max() < values["base"]


def test_at_least_one_template_beats_base_for_every_model_and_data_set(paper: Study) -> None:
    for model in ("vgg19", "resnet50"):
        beaten = differences(paper, model).groupby("dataset")["difference"].max() > 0
        assert beaten.all()


def test_the_fastest_vgg_is_b_by_27_2_per_cent_although_the_text_says_28(paper: Study) -> None:
    assert cells(paper, "vgg19")["latency_ms"].idxmin() == "b"
    assert saved(paper, "vgg19", "latency_ms", "b", 1, 2) == 27.2


def test_error_in_the_paper_vgg_c_is_not_above_base_on_cifar100(paper: Study) -> None:
    above = above_base(paper, "vgg19").xs("c", level="template")
    assert above.to_dict() == {"cifar10": True, "cifar100": False, "cinic10": True, "tinyimagenet": False}


def test_error_in_the_paper_the_best_resnet_on_cinic10_is_a_not_b(paper: Study) -> None:
    found = {dataset: best(paper, "resnet50", dataset) for dataset in paper.datasets}
    assert found == {"cifar10": "d", "cifar100": "d", "cinic10": "a", "tinyimagenet": "a"}


def test_most_surpass_base_is_12_and_14_of_20(paper: Study) -> None:
    assert above_base(paper, "vgg19").sum() == 12
    assert above_base(paper, "resnet50").sum() == 14


def test_all_resnet_templates_beat_base_on_cinic10_but_none_is_separated_from_its_spread(paper: Study) -> None:
    found = differences(paper, "resnet50").loc[["cinic10"]]
    assert found["difference"].min() > 0
    stds = cells(paper, "resnet50", "cinic10")["std"]
    assert stds["base"] == pytest.approx(0.93)
    assert stds.drop("base").max() < 0.3
    assert not is_separated(found).any()


def test_the_best_template_for_each_need_is_that_of_the_conclusion(paper: Study) -> None:
    found = {
        model: {choice.need: choice.templates for choice in of_model} for model, of_model in choices(paper).items()
    }
    assert found["vgg19"] == {
        "accuracy (mean of data sets)": ("d",),
        "parameters": ("c",),
        "memory": ("c",),
        "inference time": ("b",),
        "parameters, at most 0.5 points lost": ("b",),
    }
    assert found["resnet50"]["memory"] == ("d",)
    assert found["resnet50"]["parameters"] == ("c",)
