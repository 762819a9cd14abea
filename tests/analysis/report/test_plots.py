"""The interactive plots of the report, as data."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import plotly.graph_objects as go
import pytest

from analysis import Study, study
from analysis.report.drawings import Plot
from analysis.report.plots import plots
from tests.analysis.synthetic import done, trial_row, write_run


@pytest.fixture(scope="module")
def drawn(with_curves: Study) -> dict[str, Plot]:
    return {plot.name: plot for plot in plots(with_curves)}


def test_every_drawing_is_a_valid_plotly_figure(drawn: dict[str, Plot]) -> None:
    assert set(drawn) == {"accuracy", "intervals", "learning", "filters", "times"}
    for plot in drawn.values():
        for drawing in plot.drawings.values():
            go.Figure(drawing)
    assert set(drawn["accuracy"].choices) == {"Model", "Data set", "Cost"}
    assert "vgg19|cinic10|Parameters (M)" in drawn["accuracy"].drawings


def test_every_drawing_is_said_in_words(drawn: dict[str, Plot]) -> None:
    for plot in drawn.values():
        for choice, drawing in plot.drawings.items():
            assert choice.split("|")[0] in drawing["alt"] or "all" in choice
            assert all(f"{name}: " in drawing["alt"] for name in "abcde")


def test_short_axes_of_epochs_and_layers_show_whole_numbers_and_curves_their_markers(drawn: dict[str, Plot]) -> None:
    for name in ("learning", "filters"):
        assert {drawing["layout"]["xaxis"].get("dtick") for drawing in drawn[name].drawings.values()} == {1}
    lines = [trace for trace in drawn["learning"].drawings["vgg19|cifar10"]["data"] if trace.get("name")]
    assert len({line["marker"]["symbol"] for line in lines}) == 6


def test_every_choice_of_a_plot_has_its_drawing(drawn: dict[str, Plot]) -> None:
    for plot in drawn.values():
        assert {"|".join(options) for options in product(*plot.choices.values())} == set(plot.drawings)


def test_a_point_shows_its_numbers_on_hover(drawn: dict[str, Plot]) -> None:
    traces = drawn["accuracy"].drawings["vgg19|tinyimagenet|Parameters (M)"]["data"]
    seeds, mean = (trace for trace in traces if trace["meta"] == "d")
    assert mean["x"] == [8.0721]
    assert mean["y"] == [59.45]
    assert "59.45 % (3 seeds)" in mean["hovertemplate"]
    assert "+2.11 points vs base (" in mean["hovertemplate"]
    assert sum(seeds["y"]) / 3 == pytest.approx(59.45, abs=0.001)


def test_the_bars_are_the_intervals_of_the_differences(with_curves: Study, drawn: dict[str, Plot]) -> None:
    of_all = with_curves.differences.set_index(["model", "dataset", "template"])
    for (model, dataset), rows in of_all.groupby(["model", "dataset"]):
        drawing = drawn["accuracy"].drawings[f"{model}|{dataset}|Parameters (M)"]
        means = {trace["meta"]: trace for trace in drawing["data"] if trace.get("showlegend", True)}
        (base,) = means["base"]["y"]
        for template, row in rows.droplevel([0, 1]).iterrows():
            bar = means[template]["error_y"]
            assert means[template]["y"][0] - bar["arrayminus"][0] == pytest.approx(base + row["low"], abs=0.01)
            assert means[template]["y"][0] + bar["array"][0] == pytest.approx(base + row["high"], abs=0.01)


def test_the_mean_over_data_sets_is_that_of_templates_and_seeds_done_on_all(tmp_path: Path) -> None:
    rows = [
        done(80.0 + 10 * (dataset == "cifar10") + seed, template=template, dataset=dataset, seed=seed)
        for template in ("base", "a", "b")
        for dataset in ("cifar10", "cifar100")
        for seed in range(3)
        if (template, dataset) != ("b", "cifar100") and (template, dataset, seed) != ("a", "cifar100", 2)
    ]
    missing = [trial_row(template="b", dataset="cifar100"), trial_row(template="a", dataset="cifar100", seed=2)]
    seen = study(write_run(tmp_path / "run", rows, planned=[*rows, *missing]))
    (accuracy, *_) = plots(seen)
    traces = accuracy.drawings["vgg19|mean of all data sets|Parameters (M)"]["data"]
    assert [(trace["meta"], trace["y"]) for trace in traces] == [
        ("base", [85.0, 86.0, 87.0]), ("base", [86.0]), ("a", [85.0, 86.0]), ("a", [85.75]),
    ]  # fmt: skip


def test_boxes_are_drawn_from_five_trials_on(tmp_path: Path) -> None:
    def fills(seeds: int) -> set[bool]:
        rows = [done(90.0, seed=seed, template=template) for seed in range(seeds) for template in ("base", "a")]
        made = {plot.name: plot for plot in plots(study(write_run(tmp_path / str(seeds), rows)))}
        return {"fillcolor" in trace for trace in made["times"].drawings["vgg19|cifar10"]["data"]}

    assert fills(4) == {True}  # transparent: points alone
    assert fills(5) == {False}


def test_too_many_mean_curves_are_thinned_and_say_so(with_curves: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.report.plots.MOST_MEANS", 48 * 6 // 4)
    learning = next(plot for plot in plots(with_curves) if plot.name == "learning")
    assert {tuple(trace["x"]) for trace in learning.drawings["vgg19|cifar10"]["data"] if "name" in trace} == {(4, 6)}
    assert "One epoch in 4, and the last." in learning.hint
