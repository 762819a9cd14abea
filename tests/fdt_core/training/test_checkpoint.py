"""Checkpoints: complete, atomic, verified, and no more files than needed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fdt_core.training.checkpoint import Start, TrialCheckpoints


def state(value: float, identity: str = "trial") -> dict[str, Any]:
    return {"identity": identity, "epoch": int(value), "tensor": torch.full((100,), value), "history": [{"loss": 0.5}]}


def start(epoch: int, host: str = "node1") -> Start:
    return Start(time="2026-01-01T00:00:00+00:00", host=host, device_name="GPU", slurm_job=None, epoch=epoch)


@pytest.fixture
def checkpoints(tmp_path: Path) -> TrialCheckpoints:
    return TrialCheckpoints(tmp_path / "checkpoints" / "abc")


def working_files(checkpoints: TrialCheckpoints) -> list[Path]:
    return sorted(checkpoints.directory.glob("working-*"))


def test_there_is_nothing_to_load_before_anything_is_saved(checkpoints: TrialCheckpoints) -> None:
    assert checkpoints.load("trial") is None
    assert checkpoints.starts() == ()
    assert not checkpoints.directory.exists(), "reading must not write"


def test_the_last_saved_state_is_loaded(checkpoints: TrialCheckpoints) -> None:
    for epoch in (1, 2, 3):
        checkpoints.save(state(epoch), epoch)
    loaded = checkpoints.load("trial")
    assert loaded is not None
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["tensor"], torch.full((100,), 3.0))
    assert loaded["history"] == [{"loss": 0.5}]


def test_the_previous_checkpoint_is_kept_and_older_ones_are_deleted(checkpoints: TrialCheckpoints) -> None:
    for epoch in (1, 2, 3):
        checkpoints.save(state(epoch), epoch)
    assert [path.name[:14] for path in working_files(checkpoints)] == ["working-000002", "working-000003"]


@pytest.mark.parametrize("damage", ["truncated", "flipped bit", "empty"])
def test_if_a_checkpoint_is_damaged_the_previous_one_is_loaded(checkpoints: TrialCheckpoints, damage: str) -> None:
    for epoch in (1, 2):
        checkpoints.save(state(epoch), epoch)
    newest = working_files(checkpoints)[-1]
    contents = newest.read_bytes()
    middle = len(contents) // 2
    flipped = contents[:middle] + bytes([contents[middle] ^ 1]) + contents[middle + 1 :]
    newest.write_bytes({"truncated": contents[:100], "flipped bit": flipped, "empty": b""}[damage])
    loaded = checkpoints.load("trial")
    assert loaded is not None
    assert loaded["epoch"] == 1


def test_if_all_checkpoints_are_damaged_there_is_nothing_to_load(checkpoints: TrialCheckpoints) -> None:
    checkpoints.save(state(1), 1)
    working_files(checkpoints)[0].write_bytes(b"x")
    assert checkpoints.load("trial") is None


def test_the_checkpoint_of_another_trial_is_not_loaded(checkpoints: TrialCheckpoints) -> None:
    checkpoints.save(state(1, identity="another"), 1)
    assert checkpoints.load("trial") is None


def test_a_checkpoint_that_would_run_code_is_not_loaded(checkpoints: TrialCheckpoints, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {tmp_path}/ran",))

    checkpoints.save({"identity": "trial", "bad": Touch()}, 1)
    with pytest.raises(pickle.UnpicklingError):
        checkpoints.load("trial")
    assert not (tmp_path / "ran").exists()


WRITER = """
import sys, torch
from pathlib import Path
from fdt_core.training.checkpoint import TrialCheckpoints
checkpoints = TrialCheckpoints(Path(sys.argv[1]))
epoch = 0
while True:
    epoch += 1
    checkpoints.save({"identity": "trial", "epoch": epoch, "tensor": torch.full((300_000,), float(epoch))}, epoch)
    print(epoch, flush=True)
"""


@pytest.mark.trainer
def test_a_writer_killed_at_any_moment_leaves_a_complete_checkpoint(checkpoints: TrialCheckpoints) -> None:
    for attempt in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(checkpoints.directory)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "1\n"
        time.sleep(0.05 + 0.0137 * attempt)
        writer.send_signal(signal.SIGKILL)
        saved = [int(line) for line in writer.communicate()[0].split()]
        assert writer.returncode == -signal.SIGKILL, "it was running until it was killed"
        loaded = checkpoints.load("trial")
        assert loaded is not None
        assert loaded["epoch"] >= max(saved, default=1)
        assert loaded["tensor"].eq(loaded["epoch"]).all()
        for path in checkpoints.directory.iterdir():
            path.unlink()


def test_starts_are_appended(checkpoints: TrialCheckpoints) -> None:
    checkpoints.record_start(start(0))
    checkpoints.record_start(start(5, host="node2"))
    assert checkpoints.starts() == (start(0), start(5, host="node2"))


def test_a_start_cut_short_by_a_crash_is_skipped(checkpoints: TrialCheckpoints) -> None:
    checkpoints.record_start(start(0))
    log = checkpoints.directory / "starts.jsonl"
    log.write_text(log.read_text() + '\n{"time": "2026')
    assert checkpoints.starts() == (start(0),)
    checkpoints.record_start(start(3))
    assert checkpoints.starts() == (start(0), start(3)), "the next start must begin on a new line"


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        ("none", None),
        ("final", ["final.pt"]),
        ("best", ["best.pt"]),
        ("all", ["epoch-000001.pt", "epoch-000002.pt"]),
    ],
)
def test_finalise_keeps_only_what_keep_names(tmp_path: Path, keep: Any, left: list[str] | None) -> None:
    checkpoints = TrialCheckpoints(tmp_path / "abc", keep=keep)
    checkpoints.record_start(start(0))
    checkpoints.save(state(1), 1)
    for name in ("final", "best", "epoch-000001", "epoch-000002"):
        checkpoints.save_weights(name, state(1))
    (checkpoints.directory / ".working-000002.pt.partial").write_bytes(b"half")
    checkpoints.finalise()
    if left is None:
        assert not checkpoints.directory.exists()
    else:
        assert sorted(path.name for path in checkpoints.directory.iterdir()) == left
    checkpoints.finalise()


def test_finalising_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fdt_core.training.checkpoint import TrialCheckpoints; "
        "TrialCheckpoints(Path(sys.argv[1])).finalise(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
