from pathlib import Path

import pytest

from cluster.profile.schema import ClusterProfile, load_profile, with_further_profiles
from fdt_core.errors import UsageError
from fdt_core.files.yaml_file import parse_scalar


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_the_shipped_profiles_load(name: str) -> None:
    profile = load_profile(name)
    assert (profile.name, profile.kind) == (name, name)


def test_a_profile_is_found_by_path_or_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "fdt-sweep" / "clusters"
    path = write(folder, "mine", "kind: slurm\ndevice: cuda\ngpus_per_node: 4\npartition: a100\n")
    assert load_profile("mine") == load_profile(str(path))
    assert load_profile("mine").partition == "a100"


def test_the_users_profile_hides_the_shipped_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write(tmp_path / "fdt-sweep" / "clusters", "slurm", "kind: slurm\ndevice: cpu\naccount: ours\n")
    assert load_profile("slurm").account == "ours"


def test_overrides_replace_any_key_including_those_of_the_head() -> None:
    overrides = {"max_workers": 9, "head.mem": "7G", "sbatch.constraint": "a100", "time": parse_scalar("12:00:00")}
    profile = load_profile("slurm", overrides)
    assert (profile.max_workers, profile.head.mem, profile.head.cpus) == (9, "7G", 2)
    assert profile.sbatch == {"constraint": "a100"}
    assert profile.time_seconds == 12 * 3600


def test_bare_numbers_are_minutes_and_megabytes_as_in_slurm() -> None:
    profile = load_profile("slurm", {"time": 90, "mem": 4000})
    assert (profile.time_seconds, profile.mem) == (5400, "4000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: slurm\ndevice: cpu\npartitoin: a\n", r"bad\.yaml:3: partitoin: unknown key; did you mean 'partition'"),
        ("kind: slurm\ndevice: cpu\nhead:\n  cpu: 2\n", r"bad\.yaml:4: head\.cpu: unknown key; did you mean 'cpus'"),
        ("kind: slrum\n", r"bad\.yaml:1: kind: must be 'local' or 'slurm'.*did you mean 'slurm'"),
        ("device: cpu\n", r"kind: this key is missing"),
        ("kind: slurm\ndevice: cuda\n", "gpus_per_node must be at least 1"),
        ("kind: slurm\n", "never falls back to the CPU silently"),
        ("kind: slurm\ndevice: cpu\ntime: UNLIMITED\n", r"bad\.yaml:3: time: 'UNLIMITED' is not a finite time"),
        ("kind: slurm\ndevice: cpu\ntime: 2\n", "drain_seconds .180. must be less than time"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  output: x\n", "'output' is set by fdt-sweep itself"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  --nice: 5\n", "'--nice' must be written without its dashes"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  clusters: other\n", "'clusters' sends jobs where squeue and scancel"),
        ("kind: slurm\ndevice: cpu\nhead: {sbatch: {M: other}}\n", "'M' sends jobs where squeue and scancel"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  cluster: other\n", "'cluster' sends jobs where squeue and scancel"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  parsable: true\n", "'parsable' changes what sbatch prints or does"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  test_only: true\n", "'test_only' changes what sbatch prints or does"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  parsab: true\n", "'parsab' changes what sbatch prints or does"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  W: true\n", "'W' changes what sbatch prints or does"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  array: 0-3\n", "'array' is set by fdt-sweep itself"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  time: 60\n", "'time' is a key of the profile"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  hold: true\n", "'hold' makes jobs wait until they are released"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  C: a100\n", "'C' must be written in its long form: constraint"),
        ("kind: slurm\ndevice: cpu\nsbatch:\n  clusters=x: y\n", "'clusters=x' must be a name"),
        ('kind: slurm\ndevice: cpu\nsbatch: {comment: "a\\n#SBATCH -M x"}\n', "with its value on one line"),
        ("kind: slurm\ndevice: cpu\nmem: lots\n", r"bad\.yaml:3: mem: 'lots' is not an amount of memory"),
    ],
)
def test_a_wrong_profile_is_refused_with_the_place_of_the_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_profile(str(write(tmp_path, "bad", text)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"partitoin": "a"}, r"--set cluster\.partitoin=a: unknown key; did you mean 'partition'"),
        ({"head.cpus": 0}, r"--set cluster\.head\.cpus=0: must be greater than or equal to 1"),
        ({"time": "UNLIMITED"}, r"--set cluster\.time=UNLIMITED: 'UNLIMITED' is not a finite time"),
        ({"kind.x": 1}, r"--set cluster\.kind\.x=1: kind is not a mapping"),
        ({"drain_seconds": 10**6}, r"--set cluster\.drain_seconds=1000000 over .*slurm\.yaml: drain_seconds"),
    ],
)
def test_a_wrong_override_is_refused_with_its_option_and_no_line_of_the_file(
    overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}") as caught:
        load_profile("slurm", overrides)
    assert ".yaml:" not in str(caught.value).replace(".yaml: ", "")


def test_an_override_may_supply_a_key_that_the_profile_lacks(tmp_path: Path) -> None:
    assert load_profile(str(write(tmp_path, "half", "device: cpu\n")), {"kind": "slurm"}).kind == "slurm"


def test_an_unknown_profile_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown cluster profile 'slum'; did you mean 'slurm'"):
        load_profile("slum")


def test_a_profile_is_frozen() -> None:
    with pytest.raises(AttributeError):
        ClusterProfile(kind="local").device = "cuda"  # type: ignore[misc]


def test_connections_are_encrypted_unless_the_profile_says_otherwise() -> None:
    assert load_profile("slurm").tls
    assert not load_profile("slurm", {"tls": False}).tls


def test_the_heads_time_is_that_of_the_workers_unless_it_has_its_own() -> None:
    assert load_profile("slurm", {"time": 60}).head_time_seconds == 3600
    assert load_profile("slurm", {"time": 60, "head.time": "2-00"}).head_time_seconds == 48 * 3600


def test_further_profiles_follow_in_order_with_the_trials_per_gpu_and_the_tls_of_the_first(tmp_path: Path) -> None:
    other = tmp_path / "v100.yaml"
    other.write_text("kind: slurm\ndevice: cuda\ngpus_per_node: 2\npartition: v100\n")
    profile = load_profile("slurm", {"also": [str(other)], "trials_per_gpu": 3, "tls": False})
    first, second = with_further_profiles(profile)
    assert first == profile
    assert (second.partition, second.trials_per_gpu, second.tls) == ("v100", 3, False)


def test_further_profiles_must_train_on_the_same_kind_of_device(tmp_path: Path) -> None:
    profile = load_profile("slurm", {"also": ["local"]})
    with pytest.raises(UsageError, match="also: local has kind local"):
        with_further_profiles(profile)
