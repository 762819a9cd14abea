"""The tables of tuning: what was chosen, and who wins with how many candidates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.rendering import as_json
from analysis.tables import tables
from analysis.tuning.budgets import shown_budgets
from fdt_core.results.tuning import Score
from tests.analysis.synthetic import done
from tests.analysis.tuned_runs import TunedSweep, peaked, tuned_run

SWEEP = TunedSweep()


def rows_of(found: Study, name: str) -> list[dict[str, Any]]:
    return [row for table in json.loads(as_json(tables(found, name)))["tables"] for row in table["rows"]]


def notes_of(found: Study, name: str) -> str:
    return " ".join(note for table in tables(found, name) for note in table.notes)


def test_each_group_has_its_choice_and_what_became_of_the_others(tmp_path: Path) -> None:
    found = study(tuned_run(tmp_path / "run"))
    a, base = rows_of(found, "tuning")
    assert (a["template"], a["chosen"], base["chosen"]) == ("a", "learning_rate=0.05", "learning_rate=0.1")
    assert base["validation_accuracy"] == 80.0
    assert base["epoch"] == 40, "it won at the second of three rungs"
    assert [base[name] for name in ("candidates", "stopped", "diverged", "failed")] == [4, 2, 1, 0]
    assert [base[f"first_rung_{name}"] for name in ("min", "median", "max")] == pytest.approx([61.0, 65.0, 70.0])
    assert base["epochs"] == 10 + 40 + 40 + 3
    assert "no test image was looked at" in notes_of(found, "tuning")
    assert "favours base" not in notes_of(found, "tuning")


def test_of_candidates_that_tpe_asked_for_only_the_first_batch_counts_in_budgets(tmp_path: Path) -> None:
    rates = [0.01, 0.05, 0.1, *(0.02 * number for number in range(6, 40))]
    found = study(tuned_run(tmp_path / "run", rates=rates, tried=9))
    assert [row["candidates"] for row in rows_of(found, "tuning")] == [9, 9]
    assert "by TPE" in notes_of(found, "tuning")
    assert {row["candidates"] for row in rows_of(found, "budgets")} == {1, 2, 3}
    assert "Of candidates sampled by TPE, only the first 3 count" in notes_of(found, "budgets")
    few = study(tuned_run(tmp_path / "few", rates=rates, tried=4))
    assert rows_of(few, "budgets") == [], "a single candidate shows no spread"


def test_without_halving_every_candidate_is_trained_to_the_end(tmp_path: Path) -> None:
    found = study(tuned_run(tmp_path / "run", factor=None, rungs=(20,), tuning_seeds=2))
    _, base = rows_of(found, "tuning")
    assert [base[name] for name in ("candidates", "stopped", "diverged")] == [4, 0, 1]
    assert base["epoch"] == 20
    assert base["epochs"] == 2 * (20 + 20 + 20 + 3)
    assert "at the end of the training (epoch 20)" in notes_of(found, "budgets")


def test_tuning_on_base_alone_is_said_to_favour_base(tmp_path: Path) -> None:
    found = study(tuned_run(tmp_path / "run", every_template=False))
    (row,) = rows_of(found, "tuning")
    assert row["template"] == "base"
    assert "on base alone for all templates, which favours base" in notes_of(found, "tuning")
    assert {row["template"] for row in rows_of(found, "budgets")} == {"base"}
    assert "Only base was tuned" in notes_of(found, "budgets")


def test_a_group_without_a_choice_says_why(tmp_path: Path) -> None:
    every = SWEEP.tuning_rows(lambda template, rate, rung: None if template == "a" else peaked(template, rate, rung))
    rows = [row for row in every if (row["template"], row["candidate"]) != ("base", "learning_rate=0.01")]
    found = study(SWEEP.write(tmp_path / "run", rows))
    a, base = rows_of(found, "tuning")
    assert a["chosen"] == "none: no candidate has a result"
    assert a["diverged"] == 4
    assert a["first_rung_min"] is None
    assert base["chosen"] == "none yet"
    assert "Groups without a chosen candidate: 2 of 2." in notes_of(found, "tuning")


def test_a_candidate_that_waits_to_go_on_is_not_stopped_for_good(tmp_path: Path) -> None:
    rows = [SWEEP.attempt(SWEEP.candidate(rate), [Score(60.0 + rate, 1.0)]) for rate in SWEEP.rates]
    found = study(SWEEP.write(tmp_path / "run", rows))
    (_, base) = rows_of(found, "tuning")
    assert base["stopped"] == 2
    assert base["chosen"] == "none yet"


def test_a_retry_after_a_failure_counts_by_its_last_attempt(tmp_path: Path) -> None:
    trial = SWEEP.candidate(0.5)
    rows = [row for row in SWEEP.tuning_rows(peaked) if row["candidate"] != "learning_rate=0.5"]
    failed = SWEEP.attempt(trial, [], status="failed", failure_kind="crash", epochs_trained=None, rung_losses=None)
    again = SWEEP.attempt(trial, [Score(10.0, 2.0)], attempt=2)
    (_, first), (_, second) = (
        rows_of(study(SWEEP.write(tmp_path / name, [*rows, *tries])), "tuning")
        for name, tries in {"failed": [failed], "again": [failed, again]}.items()
    )
    assert [first[name] for name in ("failed", "stopped", "epochs")] == [1, 2, 90]
    assert [second[name] for name in ("failed", "stopped", "epochs")] == [0, 3, 100]


def test_who_is_best_depends_on_the_number_of_candidates(tmp_path: Path) -> None:
    """Base has the better mean, template a the better best candidate."""
    accuracies = {"base": {0.01: 70, 0.05: 70, 0.1: 70, 0.5: 70}, "a": {0.01: 80, 0.05: 50, 0.1: 60, 0.5: 55}}
    rows = SWEEP.tuning_rows(lambda template, rate, rung: float(accuracies[template][rate]))
    found = rows_of(study(SWEEP.write(tmp_path / "run", rows)), "budgets")
    assert [(row["candidates"], row["template"]) for row in found] == [
        (1, "base"), (1, "a"), (2, "base"), (2, "a"), (4, "base"), (4, "a")
    ]  # fmt: skip
    by = {(row["candidates"], row["template"]): row for row in found}
    assert by[1, "a"]["expected_best"] == pytest.approx(61.25)
    assert by[2, "a"]["expected_best"] == pytest.approx((3 * 80 + 2 * 60 + 55) / 6)
    assert [by[size, "a"]["difference"] for size in (1, 4)] == pytest.approx([-8.75, 10.0])
    assert by[1, "a"]["difference_interval_low"] == pytest.approx(by[1, "a"]["interval_low"] - 70)
    assert by[1, "base"]["difference"] is None
    (table,) = tables(study(tmp_path / "run"), "budgets")
    best = [row[2].text for row in table.rows if row[3].best]
    assert best == ["base", "base", "a"]


def test_the_interval_of_a_difference_is_that_of_the_same_candidates(tmp_path: Path) -> None:
    """A template that loses two points with every candidate does so without any doubt."""
    rows = SWEEP.tuning_rows(lambda template, rate, rung: 70.0 + 20 * rate - 2 * (template == "a"))
    found = rows_of(study(SWEEP.write(tmp_path / "run", rows)), "budgets")
    for row in found:
        assert row["interval_high"] - row["interval_low"] > 1
        if row["template"] == "a":
            assert [row["difference_interval_low"], row["difference_interval_high"]] == pytest.approx([-2, -2])


def test_what_diverged_counts_like_the_worst_of_any_template(tmp_path: Path) -> None:
    def accuracy(template: str, rate: float, rung: int) -> float | None:
        return (None if rate == 0.5 else 80.0) if template == "a" else 40.0

    found = study(SWEEP.write(tmp_path / "run", SWEEP.tuning_rows(accuracy))).budgets
    of_a = found[found["template"] == "a"].set_index("candidates")["expected"]
    assert of_a[1] == pytest.approx((3 * 80 + 40) / 4)
    assert of_a[2] == pytest.approx(80)


def test_a_group_counts_once_all_of_its_candidates_have_ended_the_first_rung(tmp_path: Path) -> None:
    rows = [
        row for row in SWEEP.tuning_rows(peaked) if (row["template"], row["candidate"]) != ("a", "learning_rate=0.1")
    ]
    found = study(SWEEP.write(tmp_path / "run", rows))
    assert set(found.budgets["template"]) == {"base"}
    nothing = study(SWEEP.write(tmp_path / "new", []))
    assert nothing.budgets.empty
    assert tables(nothing, "budgets") == []
    assert len(rows_of(nothing, "tuning")) == 2
    lost = study(SWEEP.write(tmp_path / "lost", SWEEP.tuning_rows(lambda *_: None)))
    assert tables(lost, "budgets") == []


def test_runs_that_do_not_tune_have_no_such_tables(study_of: Callable[..., Study]) -> None:
    found = study_of([done(90.0)])
    assert tables(found, "tuning") == tables(found, "budgets") == []


def test_the_budgets_shown_are_powers_of_two_and_all() -> None:
    assert [shown_budgets(count) for count in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]
