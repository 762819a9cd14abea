"""docs/slurm.md explains the keys that cluster profiles have."""

import re
from dataclasses import fields
from pathlib import Path

from cluster.profile.schema import ClusterProfile, HeadProfile, load_profile

TEXT = (Path(__file__).parents[2] / "docs" / "slurm.md").read_text()


def test_every_key_of_a_profile_is_explained() -> None:
    table = "\n".join(line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `"))
    explained = set(re.findall(r"`([a-z_]+)`", table))
    assert {field.name for field in fields(ClusterProfile)} - explained == set()
    heads = TEXT.partition("Keys of `head`:")[2].partition("\n\n")[0]
    assert all(f"`{field.name}`" in heads for field in fields(HeadProfile))


def test_the_example_is_a_valid_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])  # type: ignore[index]
    profile = load_profile(str(path))
    assert (profile.gpus_per_node, profile.head.partition, profile.time_seconds) == (4, "cpu", 8 * 3600)


def test_the_table_shows_the_real_defaults() -> None:
    profile = ClusterProfile(kind="local")
    for key in ("cpus_per_gpu", "time", "max_workers", "trials_per_gpu", "drain_seconds", "notice_seconds", "scratch"):
        assert f"| `{key}` | {getattr(profile, key)} |" in TEXT
