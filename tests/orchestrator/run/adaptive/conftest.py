"""A tuned sweep and its run directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.plan.cells import SweepPlan
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.tuned_plans import TUNED_SWEEP, tuned_plan


@pytest.fixture(scope="module")
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    return tuned_plan(tmp_path_factory.mktemp("plan"), getattr(request, "param", TUNED_SWEEP))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "tuned")
