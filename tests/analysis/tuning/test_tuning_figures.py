"""The figures and the report of runs that tune."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from analysis import Study, study
from analysis.figures import FIGURES, OF_TUNING, save_figures
from analysis.figures.sensitivity import sensitivity
from analysis.figures.style import styles
from analysis.figures.tuning_budget import tuning_budget
from analysis.report import render_page
from analysis.report.resources import resource_tables
from analysis.report.tuning_plots import tuning_plots
from analysis.tuning.candidates import Scale, candidate_points, scale_of
from fdt_core.results.tuning import Score
from tests.analysis.synthetic import done, epoch_rows
from tests.analysis.tuned_runs import TunedSweep, peaked, tuned_run

pytestmark = pytest.mark.study

SWEEP = TunedSweep()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tuned_run(tmp_path_factory.mktemp("runs") / "run", datasets=("cifar10", "digits")))


def other_sweep(path: Path, **sweep: Any) -> Study:
    of = TunedSweep(**sweep)
    return study(of.write(path, of.tuning_rows(lambda template, value, rung: 80.0 + len(str(value)))))


def along(data: object) -> list[float]:
    """The coordinates of a line."""
    return list(map(float, np.asarray(data, dtype=float)))


def test_a_single_number_has_an_axis_and_every_template_a_line(tuned: Study) -> None:
    figure = sensitivity(tuned)
    assert [axis.get_title() for axis in figure.axes] == ["vgg19, cifar10", "vgg19, digits"]
    for axis in figure.axes:
        assert axis.get_xscale() == "log"
        assert axis.get_xlabel() == "Learning rate"
        lines = {str(line.get_label()): line for line in axis.lines if not str(line.get_label()).startswith("_")}
        assert along(lines["base"].get_xdata()) == [0.01, 0.05, 0.1, 0.5]
        assert along(lines["base"].get_ydata())[:3] == pytest.approx([61, 65, 70])
        assert np.isnan(along(lines["base"].get_ydata())[3])
        assert to_hex(str(lines["a"].get_color())).lower() == styles([])["a"].color.lower()
        chosen = [line for line in axis.lines if line.get_label() == "chosen"]
        assert [along(line.get_xdata()) for line in chosen] == [[0.1], [0.05]]
        crosses = [line for line in axis.lines if line.get_marker() == "x"]
        assert [along(line.get_xdata()) for line in crosses] == [[0.5], [0.5]]
    assert "at the first rung (epoch 10)" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["base", "a", "chosen"]


def test_values_within_a_factor_of_ten_have_a_linear_axis(tmp_path: Path) -> None:
    found = other_sweep(tmp_path / "run", rates=(0.1, 0.2, 0.9))
    assert scale_of(found.results.tuned) == Scale(field="learning_rate", log=False)
    assert sensitivity(found).axes[0].get_xscale() == "linear"


def test_what_is_no_single_number_has_a_strip_for_each_template(tmp_path: Path) -> None:
    found = other_sweep(tmp_path / "run", rates=("sgd", "adamw"), field="optimiser", factor=None)
    assert scale_of(found.results.tuned) is None
    (axis,) = sensitivity(found).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["base", "a"]
    of_a = next(line for line in axis.lines if line.get_label() == "a")
    assert of_a.get_linestyle() == "None"
    assert (np.abs(np.array(along(of_a.get_xdata())) - 1) < 0.5).all()
    flags = other_sweep(tmp_path / "flags", rates=(True, False), field="flip", factor=None)
    assert scale_of(flags.results.tuned) is None


def test_a_candidate_that_waits_has_no_cross(tmp_path: Path) -> None:
    rows = [SWEEP.attempt(SWEEP.candidate(0.01), [Score(50.0, 1.0)])]
    found = study(SWEEP.write(tmp_path / "run", rows))
    points = candidate_points(found.results.tuned[0], scale_of(found.results.tuned))
    assert [(point.accuracy, point.waits) for point in points] == [(50.0, False), *[(None, True)] * 3]
    assert all(not along(line.get_xdata()) for line in sensitivity(found).axes[0].lines if line.get_marker() == "x")


def test_the_expected_best_rises_with_the_number_of_candidates(tuned: Study) -> None:
    figure = tuning_budget(tuned)
    for axis in figure.axes:
        assert [line.get_label() for line in axis.lines] == ["base", "a"]
        assert len(axis.collections) == 2
        for line in axis.lines:
            assert along(line.get_xdata()) == [1, 2, 3, 4]
            assert (np.diff(along(line.get_ydata())) > 0).all()


def test_figures_of_tuning_are_drawn_only_where_a_run_tunes(
    tuned: Study, tmp_path: Path, study_of: Callable[..., Study]
) -> None:
    plain = save_figures(study_of([done(90.0)]), tmp_path / "plain", ["svg"])
    assert {file.stem for file in plain} == FIGURES.keys() - OF_TUNING
    both = [save_figures(tuned, tmp_path / name, ["png"], OF_TUNING) for name in ("one", "two")]
    assert [file.read_bytes() for file in both[0]] == [file.read_bytes() for file in both[1]]
    assert {file.stem for file in both[0]} == OF_TUNING


def test_the_report_has_a_section_on_tuning(tuned: Study) -> None:
    page = render_page(tuned)
    section = page.partition('<section id="tuning"')[2].partition("</section>")[0]
    for text in (
        "What tuning chose", "expected best validation accuracy", 'data-plot="sensitivity"',
        'data-plot="tuning_budget"', "no test image was looked at",
    ):  # fmt: skip
        assert text in section
    assert '<a href="#tuning">Tuning</a>' in page
    assert "Tuned: learning_rate, for each template by itself." in page
    assert "recipe: learning rate (tuned)" in page
    drawings = page.partition('id="drawings-sensitivity">')[2].partition("</script>")[0]
    found = json.loads(gzip.decompress(base64.b64decode(drawings)))
    assert found.keys() == {"vgg19|cifar10", "vgg19|digits"}
    assert "base: 61.00 to 70.00 %, chosen learning_rate=0.1" in found["vgg19|cifar10"]["alt"]
    assert found["vgg19|cifar10"]["layout"]["xaxis"]["type"] == "log"


def test_the_report_says_that_tuning_base_alone_favours_it(tmp_path: Path) -> None:
    page = render_page(study(tuned_run(tmp_path / "run", every_template=False)))
    section = page.partition('<section id="tuning"')[2].partition("</section>")[0]
    assert "on base alone for all templates, which favours base" in section


def test_the_report_of_a_run_that_does_not_tune_has_no_such_section(study_of: Callable[..., Study]) -> None:
    found = study_of([done(90.0)])
    page = render_page(found)
    assert 'id="tuning"' not in page
    assert tuning_plots(found) == []


def test_before_any_candidate_has_ended_the_report_has_the_table_alone(tmp_path: Path) -> None:
    found = study(SWEEP.write(tmp_path / "run", []))
    assert tuning_plots(found) == []
    assert "none yet" in render_page(found)
    assert sensitivity(found).axes[0].get_title() == "vgg19, cifar10"


def test_the_device_time_of_tuning_has_a_line_of_its_own(tmp_path: Path) -> None:
    """A candidate's later attempts count the time of the earlier ones; a failed one that of the epochs it finished."""
    lost = SWEEP.candidate(0.5) | {"status": "failed", "failure_kind": "crash", "train_seconds": None}
    rows = [row for row in SWEEP.tuning_rows(peaked) if row["candidate"] != "learning_rate=0.5"]
    path = SWEEP.write(
        tmp_path / "run", [*rows, lost, *SWEEP.compared_rows({"base": 0.1})], epochs=epoch_rows(lost, 30)
    )
    (table,) = resource_tables(study(path))
    found = {row[0].text: [entry.value for entry in row[1:3]] for row in table.rows}
    assert found == {
        "results": [3, 3.0],
        "tuning": [6, pytest.approx(2 * 36 * (10 + 40 + 40) / 3600)],
        "lost: crash, tuning": [1, 0.5],
    }
    assert "Tuning: the trainings of candidates" in " ".join(table.notes)
