"""Outcomes and cells: which rows count, and that missing ones are not hidden."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import Study, study
from fdt_core.errors import UsageError
from tests.analysis.synthetic import STARTED, done, profile_row, seeds_with, trial_row, write_run

StudyOf = Callable[..., Study]


def test_cells_have_the_mean_and_the_std_with_ddof_1(study_of: StudyOf) -> None:
    cell = study_of([done(value, seed=seed) for seed, value in enumerate([90.0, 91.0, 95.0])]).cells.iloc[0]
    assert cell["mean"] == pytest.approx(92.0)
    assert cell["std"] == pytest.approx(7.0**0.5)
    assert cell["done"] == cell["seeds"] == 3


def test_final_and_best_accuracy_are_never_mixed(study_of: StudyOf) -> None:
    trials = [
        trial_row(final_test_accuracy=90.0, best_test_accuracy=93.0),
        trial_row(seed=1, final_test_accuracy=92.0, best_test_accuracy=None),
    ]
    assert study_of(trials, accuracy="final").cells["mean"].item() == pytest.approx(91.0)
    assert study_of(trials, accuracy="best").cells["mean"].item() == pytest.approx(93.0)


def test_a_retry_that_succeeds_replaces_the_failed_attempt(study_of: StudyOf) -> None:
    cells = study_of([trial_row(status="failed", failure_kind="oom"), done(90.0, attempt=2)]).cells
    assert cells[["seeds", "done", "failed"]].iloc[0].tolist() == [1, 1, 0]


def test_failed_diverged_and_missing_seeds_are_counted_and_have_no_accuracy(study_of: StudyOf) -> None:
    trials = [
        done(90.0),
        trial_row(seed=1, status="failed", failure_kind="crash", final_test_accuracy=11.0),
        trial_row(seed=2, status="diverged", final_test_accuracy=10.0),
    ]
    cell = study_of(trials, planned=[*trials, trial_row(seed=3)]).cells.iloc[0]
    assert cell[["seeds", "done", "failed", "diverged", "missing"]].tolist() == [4, 1, 1, 1, 1]
    assert cell["mean"] == 90.0


def test_only_done_trials_have_an_accuracy_among_the_outcomes(study_of: StudyOf) -> None:
    """Even if a failed or diverged trial recorded one: it would otherwise enter the differences."""
    trials = [done(90.0), trial_row(seed=1, status="diverged", final_test_accuracy=10.0)]
    assert study_of(trials).outcomes["accuracy"].isna().tolist() == [False, True]


def test_a_planned_cell_without_a_row_has_its_costs_from_the_plan(study_of: StudyOf) -> None:
    cells = study_of([done(90.0)], planned=[done(90.0), trial_row(template="c", params=7, seed=0)]).cells
    missing = cells[cells["template"] == "c"].iloc[0]
    assert missing["params"] == 7
    assert missing[["done", "missing"]].tolist() == [0, 1]


def test_cells_of_two_widths_are_two_blocks(study_of: StudyOf) -> None:
    titles = [title for title, _ in study_of([done(90.0), done(80.0, width=0.25)]).blocks()]
    assert titles == ["vgg19 x 0.25", "vgg19"]


def test_templates_start_with_base_and_data_sets_follow_the_paper(paper: Study) -> None:
    assert paper.templates == ["base", "a", "b", "c", "d", "e"]
    assert paper.datasets == ["cifar10", "cifar100", "cinic10", "tinyimagenet"]


def test_latency_is_that_of_the_batch_and_the_device(tmp_path: Path) -> None:
    trial = done(90.0)
    path = write_run(
        tmp_path / "run",
        [trial],
        profiles=[
            profile_row(trial, device_name="fast", latency_ms_b16_median=1.0, latency_ms_b1_median=0.5),
            profile_row(trial, device_name="slow", latency_ms_b16_median=9.0, measured_at=STARTED),
        ],
    )
    assert study(path).cells["latency_ms"].item() == 1.0
    assert study(path, batch=1).cells["latency_ms"].item() == 0.5
    assert study(path, device="slow").cells["latency_ms"].item() == 9.0


def test_latency_is_that_of_the_cells_network(tmp_path: Path) -> None:
    """After a change of the budget, the time of the former network is not shown for the new one."""
    new = done(90.0, widths=[32, 64], params=5)
    twin, slow = done(90.0, template="twin", widths=[32, 64], params=5), done(90.0, template="slow", precision="bf16")
    former = done(90.0)
    profiles = [
        profile_row(former, latency_ms_b16_median=7.0, measured_at=STARTED),
        profile_row(former, latency_ms_b16_median=7.0, device_name="other", measured_at=STARTED),
        profile_row(former, latency_ms_b16_median=7.0, device_name="other", threads=1, measured_at=STARTED),
    ]
    seen = study(
        write_run(tmp_path / "before", [new, twin, slow, former], profiles=profiles, planned=[new, twin, slow])
    )
    assert seen.cells["latency_ms"].isna().all()
    measured = [
        profile_row(new, latency_ms_b16_median=1.0, measured_at=STARTED),
        profile_row(new, latency_ms_b16_median=2.0, measured_at=STARTED.replace(year=2027)),
    ]
    path = write_run(tmp_path / "after", [new, twin, slow], profiles=[*profiles, *measured])
    latencies = study(path).cells.set_index("template")["latency_ms"].to_dict()
    assert (latencies["base"], latencies["twin"]) == (2.0, 2.0)
    assert latencies["slow"] != latencies["slow"]
    assert study(path).cells["latency_device"].dropna().unique().tolist() == ["gpu"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy": "bets"}, "did you mean 'best'"),
        ({"batch": 17}, "batch size 17 .measured: 1, 16, 128"),
        ({"device": "NVIDIA Titan"}, "did you mean 'NVIDIA Titan X'"),
    ],
)
def test_an_unknown_choice_names_the_known_ones(paper_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study(paper_path, **options)


@pytest.mark.parametrize(("mean", "std", "seeds"), [(94.9, 0.1, 3), (57.34, 0.3, 3), (88.78, 0.93, 5), (10.0, 0.0, 2)])
def test_the_fixture_makes_exactly_the_published_moments(mean: float, std: float, seeds: int) -> None:
    made = np.array(seeds_with(mean, std, seeds))
    assert made.mean() == pytest.approx(mean, abs=1e-12)
    assert made.std(ddof=1) == pytest.approx(std, abs=1e-12)
