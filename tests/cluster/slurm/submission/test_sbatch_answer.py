"""What sbatch, and wrappers around it, print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.slurm.submission.sbatch_answer import SubmittedJob, submitted_job


@pytest.mark.parametrize(
    ("answer", "job"),
    [
        ("Submitted batch job 4711", SubmittedJob("4711")),
        ("Submitted batch job 4711 on cluster other\n", SubmittedJob("4711", "other")),
        ("4711\n", SubmittedJob("4711")),
        ("4711;galaxy\n", SubmittedJob("4711", "galaxy")),
        ("This is job 3 of 50\nSubmitted batch job 4711", SubmittedJob("4711")),
        ("job 12 is queued before yours\n  4711  \nbye", SubmittedJob("4711")),
        ("wrapper: Submitted batch job 1 (test)\nSubmitted batch job 4711", SubmittedJob("4711")),
        ("12\nSubmitted batch job 4711\n13", SubmittedJob("4711")),
        ("Your account has 3 jobs\n", None),
        ("", None),
        ("12\n13\n", None),
        ("job 12", None),
    ],
)
def test_the_job_is_read_from_sbatchs_line_or_a_line_that_is_a_number(answer: str, job: SubmittedJob | None) -> None:
    assert submitted_job(answer) == job


_LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=4).map("\n".join)


@given(number=st.integers(1, 10**9), before=_LINES, after=_LINES)
def test_sbatchs_line_is_found_whatever_surrounds_it(number: int, before: str, after: str) -> None:
    found = submitted_job(f"{before}\nSubmitted batch job {number}\n{after}")
    assert found is not None
    assert found.job_id == str(number)
