"""What `gc` removes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.results.writer import ResultsWriter
from orchestrator.garbage import find_garbage, remove
from orchestrator.generation import claim
from orchestrator.plan import plan_sweep
from orchestrator.run_directory import RunDirectory
from tests.orchestrator.engine import fdt_sweep

DEMO = Path(__file__).parents[2] / "sweeps" / "demo.yaml"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with a finished trial, a given-up one, an unfinished one, one of a former plan, and what a crash left."""
    plan = plan_sweep(DEMO)
    made = RunDirectory(tmp_path / "demo")
    made.create()
    made.freeze(plan, "", {})
    store = ResultsWriter(made.results)
    done, crashed, unfinished = plan.cells[:3]
    store.append("trials", [{**done.columns(), "attempt": 1, "status": "done"}])
    store.append("trials", [{**crashed.columns(), "attempt": 1, "status": "failed", "failure_kind": "crash"}])
    store.flush()
    for trial_id in (done.trial_id, crashed.trial_id, unfinished.trial_id, "0123456789ab"):
        (made.checkpoints / trial_id).mkdir()
        (made.checkpoints / trial_id / "weights.pt").write_bytes(b"weights")
        made.log(trial_id).write_text("log")
    (made.checkpoints / unfinished.trial_id / ".working-000002.pt.partial").write_bytes(b"half")
    (made.results / ".tmp" / "trials-000000.parquet").write_bytes(b"half")
    (made.results / "quarantine").mkdir()
    (made.results / "quarantine" / "trials-part-000000-1.parquet").write_bytes(b"damaged")
    return made


def test_only_what_no_row_needs_is_removed(run: RunDirectory) -> None:
    done, crashed, unfinished = run.plan().cells[:3]
    kept = {path for path in run.path.rglob("*") if path.is_file()}
    found = {str(item.path.relative_to(run.path)): item.reason for item in find_garbage(run)}
    assert found == {
        "checkpoints/0123456789ab": "its trial is not part of the plan",
        f"checkpoints/{crashed.trial_id}": "its trial was given up",
        "results/.tmp/trials-000000.parquet": "left by a writer that died",
        f"checkpoints/{unfinished.trial_id}/.working-000002.pt.partial": "left by a writer that died",
        "results/quarantine/trials-part-000000-1.parquet": "a damaged part",
    }
    remove(find_garbage(run))
    gone = kept - {path for path in run.path.rglob("*") if path.is_file()}
    assert {str(path.relative_to(run.path)).removesuffix("/weights.pt") for path in gone} == set(found)
    assert find_garbage(run) == []
    assert (run.checkpoints / done.trial_id / "weights.pt").exists()


def test_gc_asks_removes_and_never_works_under_a_driver(run: RunDirectory) -> None:
    asked = fdt_sweep("gc", str(run.path))
    assert asked.returncode == 2
    assert "give --yes" in asked.stderr
    assert "its trial was given up" in asked.stdout
    driver = claim(run.driver)
    refused = fdt_sweep("gc", str(run.path), "--yes")
    assert refused.returncode == 3
    assert "another driver is at work" in refused.stderr
    driver.release()
    assert fdt_sweep("gc", str(run.path), "--yes").returncode == 0
    assert "nothing to remove" in fdt_sweep("gc", str(run.path)).stdout
