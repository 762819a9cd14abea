"""Measured speeds: one device and one setting for each model, never a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.tables.comparison import comparison
from tests.analysis.synthetic import STARTED, done, profile_row, write_run


def measured(trial: dict[str, Any], median: float, **given: Any) -> dict[str, Any]:
    spread = {"latency_ms_b16_p10": 0.99 * median, "latency_ms_b16_p90": 1.02 * median}
    return profile_row(trial, measured_at=STARTED, latency_ms_b16_median=median, **{**spread, **given})


def latency(seen: Study) -> dict[str, float]:
    known = seen.cells.dropna(subset=["latency_ms"])
    return dict(zip(known["template"], known["latency_ms"], strict=True))


@pytest.fixture
def trials() -> dict[str, dict[str, Any]]:
    return {name: done(90.0, template=name, params=params) for name, params in (("base", 3), ("a", 2), ("b", 1))}


def test_the_device_that_measured_every_template_is_shown(tmp_path: Path, trials: dict[str, Any]) -> None:
    """Another device has more measurements, but of two templates only."""
    profiles = [measured(trial, 5.0, device_name="whole") for trial in trials.values()]
    profiles += [measured(trials[name], 1.0, device_name="partly", threads=t) for name in ("base", "a") for t in (1, 4)]
    seen = study(write_run(tmp_path / "run", trials.values(), profiles=profiles))
    assert latency(seen) == {"base": 5.0, "a": 5.0, "b": 5.0}
    assert latency(study(tmp_path / "run", device="partly")) == {"base": 1.0, "a": 1.0}


@pytest.mark.parametrize("setting", [{"threads": 1}, {"precision": "bf16"}, {"channels_last": False}])
def test_a_column_never_mixes_threads_precisions_or_layouts(tmp_path: Path, setting: dict[str, Any]) -> None:
    trials = [done(90.0, template=name, params=number) for number, name in enumerate(("base", "a", "b"))]
    trials[2] |= setting
    run = write_run(tmp_path / "run", trials, profiles=[measured(trial, 2.0) for trial in trials])
    assert set(latency(study(run))) == {"base", "a"}


def test_the_note_names_device_and_setting_and_how_noisy_it_was(tmp_path: Path, trials: dict[str, Any]) -> None:
    profiles = [measured(trial, 2.0) for trial in trials.values()]
    run = write_run(tmp_path / "run", trials.values(), profiles=profiles)
    notes = comparison(study(run))[0].notes
    assert (
        "Inference: median of a batch of 16 on gpu, 4 threads, fp32; 80 % of the measurements span up to 3 % of it."
    ) in notes
    assert not [note for note in notes if "busy" in note]


def test_a_measurement_on_a_busy_machine_is_flagged(tmp_path: Path, trials: dict[str, Any]) -> None:
    profiles = [measured(trial, 2.0, latency_ms_b16_p90=4.0 if name == "a" else 2.02) for name, trial in trials.items()]
    run = write_run(tmp_path / "run", trials.values(), profiles=profiles)
    assert "Inference of a: measured on a busy machine, it seems. Measure again when it is idle." in (
        comparison(study(run))[0].notes
    )


def test_training_times_of_a_cpu_and_a_gpu_are_not_averaged(tmp_path: Path) -> None:
    trials = [done(90.0, seed=seed, train_seconds=100.0 + seed) for seed in range(3)]
    trials.append(done(90.0, seed=3, train_seconds=9000.0, peak_memory_mb=1.0, device_name="AMD EPYC"))
    trials.append(done(90.0, seed=4, train_seconds=5000.0, devices=["AMD EPYC", "NVIDIA H100"]))  # moved to the GPU
    seen = study(write_run(tmp_path / "run", trials))
    assert seen.cells["train_seconds"].item() == 101.0
    assert seen.cells["peak_memory_mb"].item() == 900.0
    assert (
        "Training: mean over seeds on NVIDIA H100; 2 trials on other or several devices left out."
        in comparison(seen)[0].notes
    )


def test_a_cell_that_trained_elsewhere_has_no_training_time(tmp_path: Path) -> None:
    trials = [done(90.0, seed=seed) for seed in range(2)]
    trials.append(done(90.0, template="a", device_name="AMD EPYC"))
    cells = study(write_run(tmp_path / "run", trials)).cells.set_index("template")["train_seconds"]
    assert cells.isna().to_dict() == {"base": False, "a": True}


def test_memory_is_uncut_bytes_so_that_small_networks_are_ranked_rightly(tmp_path: Path) -> None:
    """Cut to whole MiB, these were 1.0 and 2.1 MB: the wrong way round."""
    trials = [
        done(90.0, params=315_010, activations=131_000, memory_mb=1.0),
        done(90.0, template="a", params=270_500, activations=131_072, memory_mb=2.1),
    ]
    seen = study(write_run(tmp_path / "run", trials))
    table = comparison(seen)[0]
    place = [column.title for column in table.columns].index("Memory (MB)")
    assert [row[place].text for row in table.rows] == ["2.31", "2.13"]
    assert [row[place].best for row in table.rows] == [False, True]
    assert table.rows[1][place + 1].text == "-7.7"
