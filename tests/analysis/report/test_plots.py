"""The interactive plots of the report, as data."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import plotly.graph_objects as go
import pytest

from analysis import Study, study
from analysis.report.drawings import Drawing, Plot, Trace, plain
from analysis.report.plots import plots
from tests.analysis.synthetic import done, epoch_rows, seeds_with, trial_row, write_run

pytestmark = pytest.mark.study


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
    lines = [trace for trace in drawn["learning"].drawings["vgg19|cifar10"]["data"] if trace.get("showlegend", True)]
    assert len({line["marker"]["symbol"] for line in lines}) == 6


def test_every_choice_of_a_plot_has_its_drawing(drawn: dict[str, Plot]) -> None:
    for plot in drawn.values():
        assert {"|".join(options) for options in product(*plot.choices.values())} == set(plot.drawings)


def traces_of(drawing: Drawing, template: str) -> dict[str, Trace]:
    """The traces of a template, by what they show: `mean`, `interval` and `seeds`."""
    found = {}
    for trace in drawing["data"]:
        if trace["meta"] == template and trace.get("showlegend", True):
            found["mean"] = trace
        elif trace["meta"] == template:
            found["interval" if trace["mode"].startswith("lines") else "seeds"] = trace
    return found


def test_a_point_shows_its_numbers_on_hover(drawn: dict[str, Plot]) -> None:
    traces = traces_of(drawn["accuracy"].drawings["vgg19|tinyimagenet|Parameters (M)"], "d")
    assert traces["mean"]["x"] == [8.0721]
    assert traces["mean"]["y"] == [59.45]
    assert "59.45 % (3 seeds)" in traces["mean"]["hovertemplate"]
    assert "+2.11 points vs base (" in traces["mean"]["hovertemplate"]
    assert sum(traces["seeds"]["y"]) / 3 == pytest.approx(59.45, abs=0.001)


def test_the_bars_are_the_intervals_of_the_differences(with_curves: Study, drawn: dict[str, Plot]) -> None:
    of_all = with_curves.differences.set_index(["model", "dataset", "template"])
    for (model, dataset), rows in of_all.groupby(["model", "dataset"]):
        drawing = drawn["accuracy"].drawings[f"{model}|{dataset}|Parameters (M)"]
        (base,) = traces_of(drawing, "base")["mean"]["y"]
        assert "interval" not in traces_of(drawing, "base")
        for template, row in rows.droplevel([0, 1]).iterrows():
            ends = traces_of(drawing, str(template))["interval"]["y"]
            assert ends == pytest.approx([base + row["low"], base + row["high"]], abs=0.01)


def test_a_bar_is_that_of_the_pairs_even_if_seeds_are_missing(tmp_path: Path) -> None:
    """Base's seed 2 was lucky and a has none: a's mean is lower, and the difference of the pairs is not."""
    accuracies = {"base": (90.0, 91.0, 95.0), "a": (90.1, 91.11), "b": (90.05, 91.07, 95.04)}
    rows = [
        done(value, template=template, seed=seed)
        for template, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    planned = [*rows, trial_row(template="a", seed=2)]
    (accuracy, *_) = plots(study(write_run(tmp_path / "run", rows, planned=planned)))
    traces = traces_of(accuracy.drawings["vgg19|cifar10|Parameters (M)"], "a")
    assert traces["mean"]["y"] == pytest.approx([90.605], abs=1e-3)
    assert sum(traces["interval"]["y"]) / 2 == pytest.approx(92.105, abs=1e-3)


def test_a_one_sided_bar_is_dotted_and_ends_at_the_difference(tmp_path: Path) -> None:
    rows = [
        done(value, template=template, seed=seed)
        for template, mean in (("base", 90.0), ("a", 90.5))
        for seed, value in enumerate(seeds_with(mean, 0.1))
    ]
    made = {plot.name: plot for plot in plots(study(write_run(tmp_path / "run", rows), one_sided=True))}
    interval = traces_of(made["intervals"].drawings["vgg19|cifar10"], "a")["interval"]
    assert interval["line"]["dash"] == "dot"
    assert interval["x"][1] == pytest.approx(0.5)
    assert "at least" in made["intervals"].drawings["vgg19|cifar10"]["alt"]
    json.dumps([plot.drawings for plot in made.values()], allow_nan=False)


def test_the_mean_over_data_sets_is_that_of_templates_and_seeds_done_on_all(tmp_path: Path) -> None:
    rows = [
        done(80.0 + 10 * (dataset == "cifar10") + seed, template=template, dataset=dataset, seed=seed)
        for template in ("base", "a", "b")
        for dataset in ("cifar10", "cifar100")
        for seed in range(3)
        if (template, dataset) != ("b", "cifar100") and (template, dataset, seed) != ("a", "cifar100", 2)
    ]
    missing = [trial_row(template="b", dataset="cifar100"), trial_row(template="a", dataset="cifar100", seed=2)]
    (accuracy, *_) = plots(study(write_run(tmp_path / "run", rows, planned=[*rows, *missing])))
    drawing = accuracy.drawings["vgg19|mean of all data sets|Parameters (M)"]
    base, a = traces_of(drawing, "base"), traces_of(drawing, "a")
    assert (base["seeds"]["y"], base["mean"]["y"]) == ([85.0, 86.0, 87.0], [86.0])
    assert (a["seeds"]["y"], a["mean"]["y"]) == ([85.0, 86.0], [85.75])
    assert traces_of(drawing, "b") == {}


def test_a_plot_starts_where_there_is_something_to_see(tmp_path: Path) -> None:
    """The mean over data sets, which comes first, is not known before a template is done on all of them."""
    rows = [done(90.0 + seed / 7, seed=seed, template=template) for seed in range(3) for template in ("base", "a")]
    planned = [*rows, *(trial_row(seed=row["seed"], template=row["template"], dataset="cifar100") for row in rows)]
    (accuracy, *_) = plots(study(write_run(tmp_path / "run", rows, planned=planned)))
    assert accuracy.choices["Data set"][0] == "mean of all data sets"
    assert accuracy.start == ["vgg19", "cifar10", "Parameters (M)"]


def test_runs_may_have_different_data_sets(tmp_path: Path) -> None:
    def run(name: str, *datasets: str) -> Path:
        rows = [done(90.0, template=template, dataset=dataset) for template in ("base", "a") for dataset in datasets]
        return write_run(tmp_path / name, rows)

    (accuracy, *_) = plots(study(run("one", "cifar100"), run("two", "cifar10", "cifar100")))
    for title in ("one: vgg19", "two: vgg19"):
        assert f"{title}|mean of all data sets|Parameters (M)" in accuracy.drawings


def test_a_template_looks_the_same_in_every_plot(tmp_path: Path) -> None:
    """Also where another one is missing."""
    rows = [
        done(90.0 + seed, template=template, dataset=dataset, seed=seed, trial_id=f"{template}{dataset}{seed}")
        for template in ("base", "own1", "own2")
        for dataset in ("cifar10", "cifar100")
        for seed in range(2)
        if (template, dataset) != ("own1", "cifar100")
    ]
    planned = [*rows, trial_row(template="own1", dataset="cifar100")]
    epochs = [row for trial in rows for row in epoch_rows(trial, 3)]
    seen = study(write_run(tmp_path / "run", rows, planned=planned, epochs=epochs))
    colors = {
        trace["marker"]["color"]
        for plot in plots(seen)
        for drawing in plot.drawings.values()
        for trace in drawing["data"]
        if trace["meta"] == "own2" and "marker" in trace
    }
    assert len(colors) == 1


def test_names_are_shown_as_they_are() -> None:
    assert plain("<b>a</b> & %{y}") == "&lt;b>a&lt;/b> &amp; %&#123;y}"


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
    traces = learning.drawings["vgg19|cifar10"]["data"]
    assert {tuple(trace["x"]) for trace in traces if trace.get("showlegend", True)} == {(4, 6)}
    assert "One epoch in 4, and the last." in learning.hint
