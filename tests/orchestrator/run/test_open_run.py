"""What a driver finds when it opens a frozen run."""

from __future__ import annotations

import pytest

from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode
from fdt_core.results.tuning import TUNED
from fdt_core.trial.attempts import ATTEMPTS
from lab.sweeps import SWEEP, Place
from orchestrator.launch.prepare import new_launch
from orchestrator.run.launch_record import Launch, LaunchSettings
from orchestrator.run.retry_policy import BREAKER_TRIALS
from tests.orchestrator.histories import Row, digits, done, failed, leave_working, opened, write


@pytest.fixture
def launch(place: Place) -> Launch:
    """A frozen launch without any rows, whose networks need not be measured."""
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    made = new_launch(place.sweep_file(), runs_dir=place.run.parent, settings=settings)
    digits(place.data)
    made.run.create()
    made.freeze()
    return made


def test_an_interrupted_launch_with_work_left_asks_to_be_launched_again(launch: Launch, place: Place) -> None:
    first, *others = launch.plan.cells
    write(launch.run, [done(first, digits(place.data))])
    with opened(launch.run) as work:
        assert work.finished_cells() == (first,)
        assert work.backlog.progress().left == len(others)
        assert not work.nothing_left()
        assert work.exit_code(interrupted=True) == ExitCode.INTERRUPTED


def test_a_launch_that_is_interrupted_after_its_last_trial_is_done(launch: Launch, place: Place) -> None:
    write(launch.run, [done(cell, digits(place.data)) for cell in launch.plan.cells])
    with opened(launch.run) as work:
        assert work.nothing_left()
        assert work.exit_code(interrupted=True) == ExitCode.DONE
        total = len(launch.plan.cells)
        assert work.nothing_to_do() == f"nothing to do: {total} of {total} trials are done"


def test_networks_without_a_measurement_are_left_if_they_are_to_be_measured(place: Place) -> None:
    settings = LaunchSettings(data_directory=str(place.data), profile=True)
    launch = new_launch(place.sweep_file(), runs_dir=place.run.parent, settings=settings)
    digest = digits(place.data)
    launch.run.create()
    launch.freeze()
    write(launch.run, [done(cell, digest) for cell in launch.plan.cells])
    with opened(launch.run) as work:
        assert work.backlog.progress().left == 0
        assert not work.nothing_left()


def test_given_up_trials_make_the_launch_fail_and_its_message_names_the_retry(launch: Launch, place: Place) -> None:
    bad, *good = launch.plan.cells
    failures = [failed(bad, "error", attempt=attempt) for attempt in range(1, ATTEMPTS["error"] + 1)]
    write(launch.run, [*failures, *(done(cell, digits(place.data)) for cell in good)])
    with opened(launch.run) as work:
        assert work.nothing_left()
        assert work.exit_code(interrupted=False) == ExitCode.FAILED
        message = work.nothing_to_do()
        assert f"{len(good)} of {len(good) + 1} trials are done, 1 given up" in message
        assert message.endswith(f"to try these again: fdt-sweep retry {launch.run.path}")


def test_trials_that_the_breaker_holds_back_make_the_launch_fail(place: Place) -> None:
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    overrides = [f"seeds={BREAKER_TRIALS + 1}", "templates=[base]"]
    launch = new_launch(place.sweep_file(), runs_dir=place.run.parent, overrides=overrides, settings=settings)
    digits(place.data)
    launch.run.create()
    launch.freeze()
    write(launch.run, [failed(cell) for cell in launch.plan.cells[:BREAKER_TRIALS]])
    with opened(launch.run) as work:
        assert (work.backlog.progress().failed, work.backlog.progress().held_back) == (BREAKER_TRIALS, 1)
        assert work.nothing_left()
        assert work.exit_code(interrupted=False) == ExitCode.FAILED
        assert ", 1 held back" in work.nothing_to_do()


def test_results_from_other_data_are_refused(launch: Launch) -> None:
    write(launch.run, [done(launch.plan.cells[0], "another digest")])
    with pytest.raises(EnvironmentProblem, match="data set digits has changed"), opened(launch.run):
        pass


def test_a_damaged_part_is_moved_aside_and_its_trials_are_left_again(launch: Launch, place: Place) -> None:
    write(launch.run, [done(cell, digits(place.data)) for cell in launch.plan.cells])
    (part,) = (launch.run.results / "trials").glob("*.parquet")
    part.write_bytes(b"no Parquet")
    with opened(launch.run) as work:
        assert [path.parent.name for path in work.quarantined] == ["quarantine"]
        assert work.backlog.progress().left == len(launch.plan.cells)


def tuned_launch(place: Place) -> Launch:
    """A frozen launch of a tuned sweep, of which all candidates of base have ended their first rung."""
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    tune = "tune: {vary: {learning_rate: [0.01, 0.02, 0.1]}, halving: {factor: 3, first: 2}}\n"
    made = new_launch(place.sweep_file(SWEEP + tune), runs_dir=place.run.parent, settings=settings)
    made.run.create()
    made.freeze()
    return made


def rung_rows(launch: Launch, digest: str) -> list[Row]:
    tuned = [cell for cell in launch.plan.cells if cell.stage == TUNED and cell.template == "base"]
    told = {"status": "stopped", "epochs_trained": 2, "final_test_accuracy": None, "rung_losses": [1.0]}
    return [done(cell, digest) | told | {"rung_accuracies": [50.0 + number]} for number, cell in enumerate(tuned)]


def test_a_kill_before_losers_were_tidied_up_leaves_nothing_behind(place: Place) -> None:
    digest = digits(place.data)
    launch = tuned_launch(place)
    write(launch.run, rung_rows(launch, digest))
    tuned = [cell for cell in launch.plan.cells if cell.stage == TUNED]
    files = {cell: leave_working(launch.run, cell) for cell in tuned}
    with opened(launch.run) as work:
        work.recorder.tick(now=True)
    assert {cell.template for cell, file in files.items() if file.exists()} == {"c"}


def test_candidates_of_other_data_than_now_are_refused(place: Place) -> None:
    digits(place.data)
    launch = tuned_launch(place)
    write(launch.run, rung_rows(launch, "other"))
    with pytest.raises(EnvironmentProblem, match="data set digits has changed"), opened(launch.run):
        pass
