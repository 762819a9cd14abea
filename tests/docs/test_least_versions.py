"""The minimum versions in pyproject.toml: each dependency has one, and `make test-least` pins exactly these."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("least_versions", ROOT / ".ci" / "least_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_is_pinned_to_its_minimum_version(script: ModuleType) -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    pins = dict(line.split("==") for line in script.least_versions(PYPROJECT))
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert len(pins) == len(wanted)
    for requirement in wanted:
        name = re.split(r"[\[>]", requirement)[0]
        assert requirement.endswith(f">={pins[name]}")
    assert pins["ray"] == "2.60"


@pytest.mark.parametrize("requirement", ["torch", "torch==2.8", "torch<3,>=2.8", "torch>=2.8; python_version < '3.12'"])
def test_a_dependency_without_a_plain_lower_bound_is_refused(script: ModuleType, requirement: str) -> None:
    text = f'[project]\ndependencies = ["{requirement}"]\n[project.optional-dependencies]\ntest = []\n'
    with pytest.raises(ValueError, match="must have the form name>=version"):
        script.least_versions(text)


def test_torch_is_new_enough_for_its_accelerator_errors(script: ModuleType) -> None:
    assert "torch==2.8" in script.least_versions(PYPROJECT)
