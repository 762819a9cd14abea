"""Whatever goes wrong, the rows at the end are right: faults of processes, nodes, files, disks and data.

One of each kind is part of `make test`; the others take minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from fdt_core.results.equality import run_differences
from lab.sweeps import (
    SWEEP,
    Place,
    actors,
    actors_below,
    descendants,
    driver_process,
    fdt_sweep,
    has_begun,
    is_alive,
    kill,
    raylets,
    second_node,
    wait_until,
)
from orchestrator.run.retry_policy import DEATHS_WITHOUT_PROGRESS
from tests.fdt_core.datasets.archives import image_file, pixels, write_folder
from tests.orchestrator.tune.trial_rows import trials

pytestmark = pytest.mark.engine


def fill(path: Path) -> None:
    """Write until the file system is full."""
    with path.open("wb") as file:
        while True:
            file.write(bytes(65536))
            file.flush()


def has_ended(launched: subprocess.Popen[str]) -> bool:
    return launched.poll() is not None


def _living_actors(launched: subprocess.Popen[str], seconds: float = 0.0) -> list[psutil.Process]:
    """The processes that train after so many seconds, once there are any; none if the launch ends before."""
    time.sleep(seconds)
    found: list[psutil.Process] = []

    def look() -> bool:
        found.clear()
        with contextlib.suppress(psutil.Error):  # it may end at any moment
            found[:] = [process for process in actors(launched) if is_alive(process)]
        return bool(found) or has_ended(launched)

    wait_until(look)
    return found


def _wait_for_another(launched: subprocess.Popen[str], before: list[psutil.Process]) -> None:
    """Wait until a process trains that is not among those `before`, or the launch ends."""
    wait_until(lambda: set(_living_actors(launched)) - set(before) or has_ended(launched))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_actors_killed_at_random_moments(place: Place, undisturbed: Place, seed: int) -> None:
    moments = random.Random(seed)
    launched = place.start()
    wait_until(lambda: has_begun(place))
    kills = 0
    # One more could rightly give a trial up, if all hit the same one. Fewer if the sweep is over before: it is short,
    # and a busy machine may show its actors late.
    most = DEATHS_WITHOUT_PROGRESS - 1
    while kills < most and (alive := _living_actors(launched, seconds=moments.uniform(0.0, 2.0))):
        kill(moments.choice(alive))
        kills += 1
        _wait_for_another(launched, alive)
    output, _ = launched.communicate(timeout=300)
    assert launched.returncode == 0, output
    assert kills >= 1
    # One may have been killed before it took a trial, and one after the last trial.
    assert 1 <= output.count("its process died") + output.count("a process died before") <= kills
    assert run_differences(place.run / "results", undisturbed.run / "results") == []


@pytest.mark.slow
def test_the_only_ray_node_killed_is_an_interruption(place: Place, undisturbed: Place) -> None:
    launched = place.start("--set", "seeds=10")  # it must last until Ray notices
    wait_until(lambda: has_begun(place))
    (raylet,) = raylets(driver_process(launched))
    kill(raylet)
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 75, output
    assert "stopping: the Ray node of the driver has died" in output
    place.launch("--yes")  # most of the ten seeds drop out
    found = run_differences(place.run / "results", undisturbed.run / "results")
    assert [line for line in found if not line.endswith(f"only in {place.run / 'results'}")] == []


@pytest.mark.slow
def test_a_second_node_killed_costs_nothing_but_time(place: Place, undisturbed: Place) -> None:
    launched = place.start("--set", "cluster.cpus_per_node=1")
    wait_until(lambda: has_begun(place))
    with second_node(launched) as raylet:
        wait_until(lambda: actors_below(raylet))
        (victim,) = actors_below(raylet)
        wait_until(lambda: len([trial for trial in place.status()["running"] if trial["epoch"] >= 1]) == 2)
        kill(raylet)
        wait_until(lambda: not is_alive(victim), seconds=60)
        output, _ = launched.communicate(timeout=300)
    assert launched.returncode == 0, output
    assert "its process died: resuming from its checkpoint" in output
    assert run_differences(place.run / "results", undisturbed.run / "results") == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000])
def test_a_damaged_part_is_set_aside_and_its_trials_run_again(place: Place, undisturbed: Place, damage: bytes) -> None:
    shutil.copytree(undisturbed.run, place.run)
    (place.run / "results" / "trials" / "part-000000.parquet").write_bytes(damage)
    output = place.launch()
    assert "damaged results moved to" in output
    assert output.count(" done  ") == 4
    assert run_differences(place.run / "results", undisturbed.run / "results") == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root: run as root")
def test_a_full_disk_loses_nothing(place: Place, undisturbed: Place) -> None:
    place.run.parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place.run.parent)], check=True)
    try:
        place.sweep_file()
        filler = place.run.parent / "filler"
        launched = place.start()
        wait_until(lambda: has_begun(place))
        assert launched.poll() is None
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        output, _ = launched.communicate(timeout=120)
        assert launched.returncode == 3, output
        assert "No space left on device" in output.splitlines()[-1]
        filler.unlink()
        place.launch()
        assert run_differences(place.run / "results", undisturbed.run / "results") == []
    finally:
        subprocess.run(["umount", str(place.run.parent)], check=True)


@pytest.mark.slow
def test_a_paused_and_overtaken_driver_writes_nothing_more(place: Place, undisturbed: Place) -> None:
    launched = place.start()
    wait_until(lambda: has_begun(place))
    owner = place.run / "driver" / "000001.json"
    driver = driver_process(launched)
    family = [driver, *descendants(launched)]
    assert any("SweepTrial" in " ".join(process.cmdline()) for process in family)
    for process in family:
        process.suspend()
    owner.write_text(owner.read_text().replace('"ended_at"', '"_"').replace("}", ', "ended_at": "forged"}'))
    place.launch()
    before = trials(place)
    assert list(before.status) == ["done"] * 4
    assert launched.poll() is None
    for process in family:
        process.resume()
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 3, output
    assert "another driver has taken over this run" in output
    assert trials(place).equals(before)
    assert run_differences(place.run / "results", undisturbed.run / "results") == []


@pytest.mark.slow
def test_data_that_changes_in_mid_run_is_refused_with_both_digests(place: Place) -> None:
    data = place.directory / "data"
    shutil.copytree(place.data, data)
    alone = Place(directory=place.directory, data=data)
    alone.sweep_file()
    launched = alone.start()
    wait_until(lambda: has_begun(alone))
    (description,) = (data / "digits").glob("*.json")
    text = description.read_text()
    digest = json.loads(text)["digest"]
    description.write_text(text.replace(digest, "0" * len(digest)))
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 3, output
    assert digest in output
    assert "0" * len(digest) in output


@pytest.mark.slow
def test_data_that_vanishes_in_mid_run_ends_the_sweep_and_is_named(place: Place) -> None:
    data = place.directory / "data"
    pictures = {f"{name}/{i}.png": image_file(pixels(32, 32, 3), "PNG") for name in ("cat", "dog") for i in range(200)}
    write_folder(data / "pictures", pictures)
    (data / "datasets.yaml").write_text("pets: {folder: pictures, size: 32}\n")
    prepared = fdt_sweep("data", "prepare", "pets", "--data-dir", str(data))
    assert prepared.returncode == 0, prepared.stderr
    alone = Place(directory=place.directory, data=data)
    alone.sweep_file(SWEEP.replace("[digits]", "[pets]"))
    launched = alone.start()
    wait_until(lambda: has_begun(alone))
    (data / "pets" / "dataset.json").rename(data / "away.json")
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 3, output
    assert output.splitlines()[-1].startswith("fdt-sweep: error: data set 'pets' is not prepared")
    assert not trials(alone).status.eq("failed").any()
    (data / "away.json").rename(data / "pets" / "dataset.json")
    alone.launch()
    assert list(trials(alone).status) == ["done"] * 4


def test_nothing_of_ray_outlives_a_killed_driver(place: Place) -> None:
    launched = place.start()
    wait_until(lambda: has_begun(place))
    family = descendants(launched)
    assert {"raylet", "gcs_server"} <= {process.name() for process in family}
    assert actors(launched)
    kill(driver_process(launched))
    launched.communicate()
    wait_until(lambda: not any(is_alive(process) for process in family), seconds=30)


@pytest.mark.slow
def test_extending_a_finished_sweep_runs_only_what_is_new(place: Place, undisturbed: Place) -> None:
    shutil.copytree(undisturbed.run, place.run)
    output = place.launch("--set", "seeds=3")
    assert output.count(" done  ") == 2
    assert len(trials(place)) == 6


@pytest.mark.slow
def test_rows_of_another_run_are_reused(place: Place, undisturbed: Place) -> None:
    output = place.launch("--reuse", str(undisturbed.run), "--set", "name=other")
    assert "nothing to do: 4 of 4" in output
    reused = pd.read_parquet(place.run.parent / "other" / "results" / "trials")
    assert set(reused.reused_from) == {str(undisturbed.run)}
    assert set(reused.sweep) == {"other"}
    epochs = pd.read_parquet(place.run.parent / "other" / "results" / "epochs")
    assert len(epochs) == 32


@pytest.mark.slow
def test_a_recorded_trial_comes_out_identical_again(undisturbed: Place) -> None:
    trial_id = trials(undisturbed).trial_id[0]
    again = ("reproduce", str(undisturbed.run), trial_id[:6], "--data-dir", str(undisturbed.data))
    shown = fdt_sweep(*again)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"trial {trial_id} came out identical" in shown.stdout
    found = json.loads(fdt_sweep(*again, "--json").stdout)
    assert (found["trial_id"], found["identical"], found["differences"]) == (trial_id, True, {})
