from __future__ import annotations

from pathlib import Path

import pytest

from lab.sweeps import Place


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, shared by all sweeps of the session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def place(tmp_path: Path, data_directory: Path) -> Place:
    """A directory for one test's sweep."""
    made = Place(directory=tmp_path, data=data_directory)
    made.sweep_file()
    return made


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, data_directory: Path) -> Place:
    """The same sweep, run to its end without any disturbance."""
    made = Place(directory=tmp_path_factory.mktemp("undisturbed"), data=data_directory)
    made.sweep_file()
    made.launch()
    return made
