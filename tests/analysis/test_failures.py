"""Failed attempts, grouped by error."""

from collections.abc import Callable

from analysis import Study
from analysis.failures import failures_by_signature
from analysis.tables import tables
from fdt_core.error_text import failure_signature
from tests.analysis.synthetic import done, trial_row

TRACE = 'Traceback:\n  File "train.py", line {}\nOutOfMemoryError: tried to allocate {} MiB at 0x{:x}'


def test_errors_with_one_cause_have_one_signature() -> None:
    assert failure_signature(TRACE.format(1, 20.5, 255)) == failure_signature(TRACE.format(9, 7, 4096))
    assert failure_signature(TRACE.format(1, 20.5, 255)) == "OutOfMemoryError: tried to allocate N MiB at N"
    assert failure_signature("") == "no message"


def failed(kind: str, error: str | None, **given: object) -> dict[str, object]:
    return trial_row(status="failed", failure_kind=kind, error=error, **given)


def test_groups_are_counted_and_name_their_templates_and_hosts(study_of: Callable[..., Study]) -> None:
    trials = [
        failed("oom", TRACE.format(1, 20, 1), template="a"),
        failed("oom", TRACE.format(2, 30, 2), template="b", hostname="node2"),
        done(90.0, template="b", attempt=2),
        failed("crash", None, seed=1),
    ]
    groups = failures_by_signature(study_of(trials).results.trials)
    assert groups["attempts"].tolist() == [2, 1]
    assert groups.iloc[0][["templates", "hosts", "failure_kind"]].tolist() == ["a, b", "node1, node2", "oom"]
    assert groups.iloc[1]["signature"] == "no message"


def test_a_sweep_without_failures_has_no_table(paper: Study) -> None:
    assert tables(paper, "failures") == []
