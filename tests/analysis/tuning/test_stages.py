"""What tuned is in no frame of the comparison, and only the chosen candidate is compared."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import Study, load, study
from analysis.former import former_rows
from analysis.recipes import tuned_sentences, unlike_runs, unlike_trainings
from analysis.rendering import as_text
from analysis.statistics.verdicts import Verdict
from analysis.tables import TABLES, tables
from fdt_core.results.tuning import COMPARED, TUNED
from tests.analysis.synthetic import done, epoch_rows, trial_row, write_run
from tests.analysis.tuned_runs import FIRST_SEED, TunedSweep, peaked, tuned_run

SWEEP = TunedSweep()
CHOSEN = {"base": 0.1, "a": 0.05}


def text_of(found: Study, name: str) -> str:
    return "\n".join(as_text(table, 160) for table in tables(found, name))


def test_the_numbers_of_a_tuned_run_are_those_of_its_comparison_alone(tmp_path: Path) -> None:
    tuned = study(tuned_run(tmp_path / "run"))
    plain = study(write_run(tmp_path / "plain" / "run", SWEEP.compared_rows(CHOSEN)))
    assert tuned.outcomes["status"].tolist() == ["done"] * 6
    assert tuned.outcomes["trial_id"].tolist() == plain.outcomes["trial_id"].tolist()
    assert tuned.cells["mean"].tolist() == plain.cells["mean"].tolist()
    assert set(tuned.results.trials["stage"]) == {COMPARED}
    assert set(tuned.results.tuning["stage"]) == {TUNED}
    assert len(tuned.results.tuning) == 2 * (1 + 2 + 2 + 1)
    assert tuned.results.former.empty
    for name in TABLES.keys() - {"tuning", "budgets", "verdicts", "differences", "paired", "needs", "ranks", "across"}:
        assert text_of(tuned, name) == text_of(plain, name), name


def test_templates_with_other_tuned_settings_are_compared(tmp_path: Path) -> None:
    tuned = study(tuned_run(tmp_path / "run"))
    (difference,) = tuned.differences.to_dict("records")
    assert not difference["unlike"]
    assert difference["verdict"] != Verdict.UNTESTED
    assert list(unlike_trainings(tuned)) == []
    assert list(tuned_sentences(tuned)) == ["Tuned: learning_rate, for each template by itself."]


def test_settings_that_are_not_tuned_must_be_alike_all_the_same(tmp_path: Path) -> None:
    rows = SWEEP.compared_rows({"base": 0.1}) + [
        row | {"weight_decay": 0.1} for row in SWEEP.compared_rows({"a": 0.05})
    ]
    path = write_run(tmp_path / "run", [*SWEEP.tuning_rows(peaked), *rows])
    (path / "plan.json").unlink()
    found = study(path)
    assert found.differences["unlike"].all()
    (sentence,) = unlike_trainings(found)
    assert "differ in weight_decay," in sentence


def test_what_is_tuned_on_base_alone_is_said_to_favour_base(tmp_path: Path) -> None:
    found = study(tuned_run(tmp_path / "run", every_template=False))
    assert found.outcomes.groupby("template")["candidate"].unique().map(list).to_dict() == {
        "base": ["learning_rate=0.1"],
        "a": ["learning_rate=0.1"],
    }
    assert found.cells["done"].tolist() == [3, 3]
    (sentence,) = tuned_sentences(found)
    assert sentence == "Tuned: learning_rate, on base alone for all templates, which favours base."


def test_before_a_choice_each_training_is_missing_once(tmp_path: Path) -> None:
    rows = [row for row in SWEEP.tuning_rows(peaked) if row["template"] == "base"]
    found = study(SWEEP.write(tmp_path / "run", [*rows, *SWEEP.compared_rows({"base": 0.1})]))
    assert found.cells.set_index("template")[["seeds", "done", "missing"]].values.tolist() == [[3, 0, 3], [3, 3, 0]]
    assert set(found.outcomes.loc[found.outcomes["template"] == "a", "candidate"]) == {"learning_rate=0.01"}


def test_rows_of_another_candidate_than_the_winner_are_former(tmp_path: Path) -> None:
    lost = SWEEP.compared_rows({"base": 0.05}, accuracy=99.0)
    path = SWEEP.write(tmp_path / "run", [*SWEEP.tuning_rows(peaked), *SWEEP.compared_rows(CHOSEN), *lost])
    found = study(path)
    assert found.cells["mean"].max() < 91
    assert len(found.results.former) == 3
    assert set(former_rows(found)["difference"]) == {"candidate learning_rate=0.05 (chosen: learning_rate=0.1)"}


def test_rows_compared_before_the_choice_was_open_again_do_not_count(tmp_path: Path) -> None:
    """The first candidate stands for a group without a winner, and its rows must not count for that."""
    rows = [row for row in SWEEP.tuning_rows(peaked) if row["candidate"] != "learning_rate=0.5"]
    found = study(SWEEP.write(tmp_path / "run", [*rows, *SWEEP.compared_rows({"base": 0.01, "a": 0.05})]))
    assert found.cells["done"].tolist() == [0, 0]
    assert set(former_rows(found)["difference"]) == {
        "candidate learning_rate=0.01 (chosen: none)",
        "candidate learning_rate=0.05 (chosen: none)",
    }


def test_candidates_that_are_no_longer_planned_are_former(tmp_path: Path) -> None:
    old = dataclasses.replace(SWEEP, rates=(*SWEEP.rates, 0.2))
    found = study(SWEEP.write(tmp_path / "run", [*old.tuning_rows(peaked), *SWEEP.compared_rows(CHOSEN)]))
    assert set(found.results.former["candidate"]) == {"learning_rate=0.2"}
    assert set(former_rows(found)["difference"]) == {"candidate learning_rate=0.2 of tuning not planned"}
    assert "learning_rate=0.2" not in set(found.results.tuning["candidate"])


def test_rows_that_tuned_are_former_once_the_sweep_no_longer_tunes(tmp_path: Path) -> None:
    planned = [done(90.0, trial_id="plain")]
    path = write_run(tmp_path / "run", [*SWEEP.tuning_rows(peaked), *planned], planned=planned)
    found = load(path)
    assert len(found.trials) == 1
    assert found.tuning.empty
    assert set(found.former["stage"]) == {TUNED}


def test_without_a_plan_rows_that_tuned_are_kept_apart(tmp_path: Path) -> None:
    candidate = SWEEP.candidate(0.01)
    path = tuned_run(tmp_path / "run")
    (path / "plan.json").unlink()
    epochs = [row for trial in (candidate, SWEEP.compared(0.1)) for row in epoch_rows(trial, 2)]
    write_run(tmp_path / "epochs", [], epochs=epochs)
    shutil.rmtree(path / "results" / "epochs")
    shutil.move(tmp_path / "epochs" / "results" / "epochs", path / "results" / "epochs")
    found = study(path)
    assert found.cells["done"].tolist() == [3, 3]
    assert set(found.results.tuning["stage"]) == {TUNED}
    assert not found.differences["unlike"].any()
    assert set(found.results.epochs["trial_id"]) == {SWEEP.compared(0.1)["trial_id"]}
    assert set(found.results.tuning_epochs["trial_id"]) == {candidate["trial_id"]}
    assert list(tuned_sentences(found)) == ["Tuned: learning_rate."]


def test_filters_keep_the_candidates_that_serve_what_they_keep(tmp_path: Path) -> None:
    each, base = tuned_run(tmp_path / "each"), tuned_run(tmp_path / "base", every_template=False)
    for filters in (["template=a"], ["template=a", "seed=0,1"]):
        found = load(each, base).matching(filters)
        assert [group.place for group in found.tuned] == [
            ("each", "vgg19", 1.0, "", "cifar10", "a"),
            ("base", "vgg19", 1.0, "", "cifar10", "base"),
        ]
        assert set(found.tuning[["run", "template"]].itertuples(index=False, name=None)) == {
            ("each", "a"), ("base", "base"),
        }  # fmt: skip


def test_a_run_that_tunes_beside_one_that_does_not(tmp_path: Path, study_of: Callable[..., Study]) -> None:
    plain = write_run(tmp_path / "plain", [done(90.0 + seed, template=t, seed=seed) for t in "ab" for seed in (0, 1)])
    both = study(tuned_run(tmp_path / "tuned"), plain)
    assert list(tuned_sentences(both)) == ["tuned: Tuned: learning_rate, for each template by itself."]
    assert "learning_rate (tuned)" not in "".join(unlike_trainings(both))
    assert "The runs differ in learning_rate (tuned)" in "".join(unlike_runs(both))
    assert study_of([done(90.0)]).results.tuned == ()


@pytest.mark.parametrize("seed", [FIRST_SEED, 0])
def test_the_failures_of_tuning_are_not_those_of_the_comparison(tmp_path: Path, seed: int) -> None:
    failed = trial_row(**SWEEP.candidate(0.5, seed=seed)) | {"status": "failed", "failure_kind": "crash"}
    found = study(SWEEP.write(tmp_path / "run", [failed]))
    assert tables(found, "failures") == []
    assert found.outcomes["status"].eq("missing").all()
