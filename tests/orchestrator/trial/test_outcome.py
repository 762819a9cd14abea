"""Outcomes of an attempt: what each is called in the results, and what each leads to."""

from __future__ import annotations

import json

from fdt_core.trial.attempts import ATTEMPTS, given_up
from orchestrator.run.retry_policy import needs_whole_device
from orchestrator.trial.outcome import FINISHED, NO_END, NOT_FAILED, Outcome


def test_an_outcome_is_its_word_in_rows_and_messages() -> None:
    assert json.dumps({"status": Outcome.DONE}) == '{"status": "done"}'
    assert f"failed ({Outcome.OOM})" == "failed (oom)"
    assert "diverged" in FINISHED


def test_every_outcome_is_a_result_or_no_end_or_a_failure_with_a_limit_of_attempts() -> None:
    failures = set(Outcome) - NOT_FAILED - NO_END
    assert not NOT_FAILED & NO_END
    assert {str(outcome) for outcome in failures} == set(ATTEMPTS)


def test_a_trial_is_given_up_after_the_attempts_that_its_kind_of_failure_earns() -> None:
    assert not given_up([Outcome.OOM])
    assert given_up([Outcome.OOM] * 2)
    assert not given_up([Outcome.DEVICE] * 2)
    assert given_up([Outcome.DEVICE] * 3)
    assert given_up([Outcome.CRASH])


def test_only_a_trial_that_ran_out_of_memory_gets_a_whole_device() -> None:
    assert needs_whole_device([Outcome.DEVICE, Outcome.OOM])
    assert not needs_whole_device([Outcome.ERROR])
