"""Trials that fail, hang or diverge get their retries and their rows, and end a sweep at its limit.

One of each kind is part of `make test`; the others take minutes.
"""

from __future__ import annotations

import subprocess

import pytest

from lab.isolation import isolated
from lab.sweeps import FDT_SWEEP, SWEEP, Place
from tests.orchestrator.tune.trial_rows import trials

pytestmark = pytest.mark.engine


def own_model(place: Place, name: str, more: str = "") -> None:
    """The sweep of a misbehaving model, beside a good one."""
    text = SWEEP.replace("[vgg11]", f"['tests.orchestrator.misbehaving:{name}', vgg11]").replace("[base, c]", "[base]")
    place.sweep_file(text.replace("seeds: 2", "seeds: 1") + more)


@pytest.mark.parametrize(
    ("model", "kind", "rows", "said"),
    [
        pytest.param("raises", "error", 2, "these widths do not please me", marks=pytest.mark.slow),
        pytest.param("exhausts_memory", "oom", 2, "no more", marks=pytest.mark.slow),
        pytest.param("loses_its_device", "device", 3, "uncorrectable ECC error", marks=pytest.mark.slow),
        pytest.param(
            "breaks_its_context", "error", 2, "RuntimeError: CUDA error: device-side assert", marks=pytest.mark.slow
        ),
        ("kills_itself", "crash", 1, "died 3 times without a new checkpoint"),
    ],
)
def test_a_failing_trial_gets_its_retries_and_its_rows(
    place: Place, model: str, kind: str, rows: int, said: str
) -> None:
    own_model(place, model)
    output = place.launch(expect=1)
    failed = trials(place).query("status == 'failed'")
    assert list(failed.failure_kind) == [kind] * rows
    assert list(failed.attempt) == list(range(1, rows + 1))
    assert failed.error.str.contains(said).all()
    assert said in output
    assert list(trials(place).query("status == 'done'").model) == ["vgg11"]
    again = place.launch(expect=1)
    assert "nothing to do" in again


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_by_its_time_limit(place: Place) -> None:
    own_model(place, "hangs", "resources: {time_limit: 20}\n")
    place.launch("--set", "epochs=1", expect=1)  # so that the good trial beside it ends in time on a busy machine too
    failed = trials(place).query("status == 'failed'")
    assert list(failed.failure_kind) == ["error", "error"]
    assert failed.error.str.contains("time limit of 20 s exceeded").all()
    assert failed.error.str.contains("misbehaving").all(), "the traceback shows where it hung"


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_a_result(place: Place) -> None:
    place.sweep_file(SWEEP.replace("flip: false", "flip: false, learning_rate: 1e20").replace("seeds: 2", "seeds: 1"))
    place.launch()
    assert set(trials(place).status) == {"diverged"}


@pytest.mark.parametrize("option", ["--fail-fast", pytest.param("--max-failures=1", marks=pytest.mark.slow)])
def test_the_limit_of_failures_ends_a_sweep_that_had_more_to_do_as_failed(place: Place, option: str) -> None:
    own_model(place, "raises")
    output = place.launch(option, "--set", "seeds=20", "--set", "epochs=1", expect=1)
    assert "stopping: 1 failed trials (the limit is 1)" in output
    progress = place.status()["progress"]
    assert progress["failed"] in (1, 2), "what ran beside it may fail before it leaves"
    assert progress["left"] > 0


@pytest.mark.slow
def test_a_given_up_trial_is_tried_again_when_it_is_asked_for(place: Place) -> None:
    own_model(place, "raises")
    place.launch(expect=1)
    retried = subprocess.run(
        isolated([*FDT_SWEEP, "retry", str(place.run), "error"]), capture_output=True, text=True, timeout=300
    )
    assert retried.returncode == 1, retried.stderr
    failed = trials(place).query("status == 'failed'")
    assert list(failed.attempt) == [1, 2, 3, 4]
    assert len(trials(place)) == 5, "what was done is not run again"
