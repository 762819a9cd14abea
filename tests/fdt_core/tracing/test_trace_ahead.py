"""Networks that are traced in parallel give the traces that they give one by one, and no other problem."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing import trace_ahead as tested
from fdt_core.tracing.store import trace_directory
from fdt_core.tracing.traced_network import accepted_trace

pytestmark = pytest.mark.process

IMAGE = ImageShape()
OWN = "tests.fdt_core.tracing.small_networks"


@pytest.fixture(autouse=True)
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    monkeypatch.setattr(tested, "LEAST_PER_PROCESS", 1)


def stored() -> set[bytes]:
    return {path.read_bytes() for path in trace_directory().glob("*")}


def test_the_stored_traces_are_those_that_each_network_gives_alone() -> None:
    definitions = [
        ModelDefinition(name=f"{OWN}:Chain"),
        ModelDefinition(name=f"{OWN}:Chain", arguments={"filters": 24}, alias="wide"),
        ModelDefinition(name=f"{OWN}:Stage"),
    ]
    tested.trace_ahead((definition, IMAGE) for definition in definitions)
    assert stored() == {accepted_trace(definition, IMAGE).to_json() for definition in definitions}


def test_a_network_that_fails_is_left_and_the_others_are_stored() -> None:
    unknown = ModelDefinition(name="nowhere:Net")
    failing = ModelDefinition(name=f"{OWN}:Chain", arguments={"filters": "many"})
    works = ModelDefinition(name=f"{OWN}:Stage")
    tested.trace_ahead((definition, IMAGE) for definition in (unknown, failing, works))
    assert stored() == {accepted_trace(works, IMAGE).to_json()}


def test_a_network_that_ends_its_process_ends_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "network_that_exits.py").write_text("import os\ndef network(num_classes):\n    os._exit(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = ("network_that_exits:network", f"{OWN}:Stage")
    tested.trace_ahead((ModelDefinition(name=name), IMAGE) for name in names)


def test_few_networks_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "LEAST_PER_PROCESS", 2)
    monkeypatch.setattr(tested, "ProcessPoolExecutor", None)
    tested.trace_ahead((ModelDefinition(name=f"{OWN}:{name}"), IMAGE) for name in ("Chain", "Stage", "Separable"))
    assert stored() == set()
