"""Studies that many tests read, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from tests.analysis.synthetic import paper_run, write_run


@pytest.fixture(scope="session")
def paper_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paper_run(tmp_path_factory.mktemp("runs") / "paper")


@pytest.fixture(scope="session")
def paper(paper_path: Path) -> Study:
    """A study whose seeds have the means and standard deviations published in the paper."""
    return study(paper_path)


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    """Make a study of the given rows of trials."""

    def make(trials: list[dict[str, Any]], *, name: str = "run", accuracy: str = "final", **tables: Any) -> Study:
        return study(write_run(tmp_path / name, trials, **tables), accuracy=accuracy)

    return make
