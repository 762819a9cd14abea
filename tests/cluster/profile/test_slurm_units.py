import pytest

from cluster.profile.slurm_units import parse_memory, parse_time_limit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 3600),
        ("90:30", 5430),
        ("08:00:00", 28800),
        ("2-12", 216000),
        ("1-00:30", 88200),
        ("1-01:01:01", 90061),
    ],
)
def test_every_form_that_sbatch_documents_is_read(text: str, seconds: int) -> None:
    assert parse_time_limit(text) == seconds


@pytest.mark.parametrize("text", ["UNLIMITED", "INFINITE", "-1", "8h", "", "0", "00:00:00", "1:2:3:4"])
def test_an_infinite_or_malformed_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time_limit(text)


@pytest.mark.parametrize(
    ("text", "count"), [("1500", 1500 * 2**20), ("1500M", 1500 * 2**20), ("32G", 32 * 2**30), ("1T", 2**40)]
)
def test_memory_is_read_as_sbatch_reads_it(text: str, count: int) -> None:
    assert parse_memory(text) == count


@pytest.mark.parametrize("text", ["", "32 potatoes", "1.5G", "0", "-4G"])
def test_a_malformed_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="memory"):
        parse_memory(text)
