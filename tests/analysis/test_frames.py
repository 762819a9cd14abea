"""Reading run directories."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis import load
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.results.columns import EPOCH_COLUMNS, PROFILE_COLUMNS, TRIAL_COLUMNS
from tests.analysis.synthetic import done, epoch_rows, trial_row, write_run


def test_the_frames_have_the_columns_of_the_store_and_the_run(paper_path: Path) -> None:
    results = load(paper_path)
    assert set(results.trials) == {"run", *(column.name for column in TRIAL_COLUMNS)}
    assert set(results.epochs) == {"run", *(column.name for column in EPOCH_COLUMNS)}
    assert set(results.profiles) == {"run", *(column.name for column in PROFILE_COLUMNS)}
    assert len(results.trials) == 2 * 6 * 4 * 3
    assert set(results.trials["run"]) == {"paper"}


def test_the_frames_of_several_runs_are_joined(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", [done(90.0)])
    two = write_run(tmp_path / "two", [done(91.0), done(92.0, seed=1)])
    assert load(one, two).trials["run"].tolist() == ["one", "two", "two"]


def test_runs_with_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / folder / "demo", [done(90.0)]) for folder in ("a", "b")]
    assert list(load(*paths).paths) == [str(path) for path in paths]


def test_filters_leave_out_planned_cells_and_their_rows(tmp_path: Path) -> None:
    rows = [done(90.0 + seed, template=name, seed=seed) for name in ("base", "a") for seed in (0, 1)]
    former = done(80.0, template="a", learning_rate=0.9)
    path = write_run(tmp_path / "run", [*rows, former], planned=[*rows, trial_row(template="a", seed=2)])
    found = load(path).matching(["template=a", "seed!=0"])
    assert found.planned[["template", "seed"]].to_numpy().tolist() == [["a", 1], ["a", 2]]
    assert found.trials[["template", "seed"]].to_numpy().tolist() == [["a", 1]]
    assert found.former.empty
    assert found.notes == (
        *load(path).notes,
        "--filter template=a --filter seed!=0: all other cells are left out, "
        "and comparisons are corrected for these alone",
    )
    assert load(path).matching([]).notes == load(path).notes
    with pytest.raises(UsageError, match="no cell is left"):
        load(path).matching(["template=a", "template=base"])


def test_a_row_written_twice_counts_once_and_is_reported(tmp_path: Path) -> None:
    rows = [done(90.0, epochs=1), done(90.0, epochs=1), done(91.0, epochs=1, seed=1)]
    results = load(write_run(tmp_path / "run", rows, epochs=[*epoch_rows(rows[0], 1), *epoch_rows(rows[2], 1)]))
    assert len(results.trials) == 2
    (note,) = results.notes
    assert "results/trials holds 1 row twice" in note


def test_a_damaged_part_is_left_out_and_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", [done(90.0)])
    (path / "results" / "trials" / "part-000001.parquet").write_bytes(b"no parquet")
    results = load(path)
    assert len(results.trials) == 1
    assert "part-000001.parquet is damaged" in results.notes[0]


def test_a_run_without_a_plan_or_profiles_is_read(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", [done(90.0)])
    (path / "plan.json").unlink()
    shutil.rmtree(path / "results" / "profiles")
    results = load(path)
    assert len(results.planned) == 1
    assert len(results.profiles) == 0
    assert len(results.trials) == 1
    assert any("there is no plan.json" in note for note in results.notes)


@pytest.mark.parametrize("given", ["results", "copied"])
def test_a_results_folder_alone_is_read(tmp_path: Path, given: str) -> None:
    run = write_run(tmp_path / "run", [done(90.0)])
    (run / "plan.json").unlink()
    folder = (run / "results").rename(tmp_path / given)
    assert len(load(folder).trials) == 1


def test_the_results_folder_of_a_run_names_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [done(90.0), done(91.0, seed=1)], planned=[done(90.0)])
    assert load(run / "results").paths == {"run": run}
    assert len(load(run / "results").trials) == 1


def test_a_path_that_is_not_a_run_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no run directory given"):
        load()


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", [done(90.0)])
    (path / "plan.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match=r"plan\.json is damaged"):
        load(path)


def test_reading_writes_nothing(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", [done(90.0), trial_row(status="failed", seed=1)])
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert isinstance(load(path).epochs, pd.DataFrame)
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before
