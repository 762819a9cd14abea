"""The paper's statements, as queries on a study: those that its numbers bear out, and its slips."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis import Study
from analysis.needs import choices
from analysis.rounding import rounding
from analysis.statistics.differences import differences_to_base


def cells(paper: Study, model: str) -> pd.DataFrame:
    return paper.cells[paper.cells["model"] == model].set_index(["dataset", "template"])


def saved(paper: Study, model: str, column: str, template: str, scale: float = 1.0, decimals: int = 1) -> float:
    """Per cent saved against base, as the paper counts."""
    values = cells(paper, model).loc["cifar10", column] / scale
    percent = rounding("paper").percent_below(values[template], values["base"], decimals)
    assert percent is not None
    return float(percent)


def best(paper: Study, model: str, dataset: str) -> str:
    return str(cells(paper, model).loc[dataset, "mean"].idxmax())


def above_base(paper: Study, model: str) -> pd.Series[bool]:
    differences = differences_to_base(paper.outcomes)
    return differences[differences["model"] == model].set_index(["dataset", "template"])["difference"] > 0


def test_vgg_gains_up_to_2_11_points_mostly_by_template_d(paper: Study) -> None:
    gains = differences_to_base(paper.outcomes).set_index(["model", "dataset", "template"])["difference"]["vgg19"]
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
    assert cells(paper, "resnet50").loc["cifar10", "latency_ms"].idxmin() == "c"


def test_every_template_saves_parameters_memory_and_time_everywhere(paper: Study) -> None:
    for model in ("vgg19", "resnet50"):
        costs = cells(paper, model).loc["cifar10", ["params", "memory_mb", "latency_ms"]]
        assert (costs.drop("base") < costs.loc["base"]).all(axis=None)


def test_at_least_one_template_beats_base_for_every_model_and_data_set(paper: Study) -> None:
    for model in ("vgg19", "resnet50"):
        assert above_base(paper, model).groupby("dataset").any().all()


def test_the_fastest_vgg_is_b_by_27_2_per_cent_where_the_text_says_28(paper: Study) -> None:
    assert cells(paper, "vgg19").loc["cifar10", "latency_ms"].idxmin() == "b"
    assert saved(paper, "vgg19", "latency_ms", "b", 1, 2) == 27.2


def test_slip_vgg_c_is_not_above_base_on_cifar100(paper: Study) -> None:
    above = above_base(paper, "vgg19").xs("c", level="template")
    assert above.to_dict() == {"cifar10": True, "cifar100": False, "cinic10": True, "tinyimagenet": False}


def test_slip_the_best_resnet_on_cinic10_is_a_not_b(paper: Study) -> None:
    found = {dataset: best(paper, "resnet50", dataset) for dataset in paper.datasets}
    assert found == {"cifar10": "d", "cifar100": "d", "cinic10": "a", "tinyimagenet": "a"}


def test_most_surpass_base_is_12_and_14_of_20(paper: Study) -> None:
    assert above_base(paper, "vgg19").sum() == 12
    assert above_base(paper, "resnet50").sum() == 14


def test_all_templates_beat_base_on_cinic10_with_resnet_but_its_spread_carries_that(paper: Study) -> None:
    assert above_base(paper, "resnet50").loc["cinic10"].all()
    stds = cells(paper, "resnet50").loc["cinic10", "std"]
    assert stds["base"] == pytest.approx(0.93)
    assert stds.drop("base").max() < 0.3
    differences = differences_to_base(paper.outcomes).set_index(["model", "dataset"])
    assert set(differences.loc[("resnet50", "cinic10"), "verdict"]) == {"not separated"}


def test_which_template_for_which_need_as_the_conclusion_draws_it(paper: Study) -> None:
    found = {
        model: {choice.need: choice.templates for choice in of_model} for model, of_model in choices(paper).items()
    }
    assert found["vgg19"] == {
        "accuracy (mean of data sets)": ("d",),
        "parameters": ("c",),
        "memory": ("c", "e"),
        "inference time": ("b",),
        "parameters, at most 0.5 points lost": ("b",),
    }
    assert found["resnet50"]["memory"] == ("d",)
    assert found["resnet50"]["parameters"] == ("c",)
