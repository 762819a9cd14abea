"""Traces on disk: a network is traced once, and a lost trace costs nothing but time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing import store
from fdt_core.tracing.structure import CostFormula, Structure
from tests.fdt_core.tracing import small_networks

IMAGE = ImageShape()
DEFINITION = ModelDefinition(name="timm/test", arguments={"depth": 3})
EMPTY = CostFormula(expressions=(), params=(), macs=(), normalised=(), activated=(), pooled=(), activations=())
TRACE = Structure(base=(3, 5), layers=(), formula=EMPTY, leaves=(), tensors=(), attributes=(), held=())

Counted = Callable[..., int]


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Asks for a trace in an empty folder, and returns how many times the network has been traced."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def make() -> Structure:
        calls.append(1)
        return TRACE

    def ask(definition: ModelDefinition = DEFINITION, image: ImageShape = IMAGE, source: str = "timm 1") -> int:
        assert store.stored_trace(definition, image, source, make) == TRACE
        return len(calls)

    return ask


def test_a_network_is_traced_once(traced: Counted, tmp_path: Path) -> None:
    assert [traced(), traced()] == [1, 1]
    assert len(list((tmp_path / "fdt-sweep" / "traces").iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"source": "timm 2"},
        {"image": ImageShape(size=64)},
        {"image": ImageShape(classes=100)},
        {"image": ImageShape(channels=1)},
        {"definition": ModelDefinition(name="timm/other", arguments={"depth": 3})},
        {"definition": ModelDefinition(name="timm/test", arguments={"depth": 4})},
        {"definition": ModelDefinition(name="timm/test", arguments={"depth": 3}, fixed=("stem",))},
        {"definition": ModelDefinition(name="timm/test", arguments={"depth": 3}, slots=("stem",))},
        {"definition": ModelDefinition(name="timm/test", arguments={"depth": 3}, follow={"a": "b"})},
    ],
)
def test_another_source_image_argument_or_override_is_another_trace(traced: Counted, other: dict[str, object]) -> None:
    assert [traced(), traced(**other), traced(**other), traced()] == [1, 2, 2, 2]


def test_another_version_of_torch_is_another_trace(traced: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    before = traced()
    monkeypatch.setattr(store, "version", lambda package: f"another {package}")
    assert [before, traced(), traced()] == [1, 2, 2]


def test_a_label_and_the_least_filters_are_not_part_of_the_trace(traced: Counted) -> None:
    named = ModelDefinition(name="timm/test", arguments={"depth": 3}, alias="short", least=4)
    assert [traced(), traced(named)] == [1, 1]


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\x00", b'{"base": "x"}'])
def test_a_damaged_trace_is_made_again(traced: Counted, tmp_path: Path, damage: bytes) -> None:
    traced()
    (path,) = (tmp_path / "fdt-sweep" / "traces").iterdir()
    path.write_bytes(damage)
    assert [traced(), traced()] == [2, 2]


def test_a_folder_that_cannot_be_made_costs_only_time(traced: Counted, tmp_path: Path) -> None:
    (tmp_path / "fdt-sweep").write_text("a file, not a folder")
    assert [traced(), traced()] == [1, 2]


def test_what_a_network_prints_does_not_reach_stdout(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdt_core.tracing.traced_network import traced_network

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = traced_network(ModelDefinition(name=f"{small_networks.__name__}:Talkative"), IMAGE)
    network.build(network.choice.base_filters(1.0), 1.0, seed=0)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert {"constructed", "run"} <= set(printed.err.split())


def test_a_trace_survives_a_round_trip() -> None:
    from fdt_core.tracing.traced_network import traced_network

    structure = traced_network(ModelDefinition(name=f"{small_networks.__name__}:Stage"), IMAGE).structure
    assert Structure.from_json(structure.to_json()) == structure


PLAN = """
import sys
from fdt_core.image import ImageShape
from fdt_core.matching.match import Budget, match
from fdt_core.model_definition import ModelDefinition
from fdt_core.models import find_model
from fdt_core.templates import template

model = find_model(ModelDefinition(name="timm/test_resnet"))
found = match(model, template("d"), image=ImageShape(), width=0.5, budget=Budget())
print(found.n, *(name for name in ("torch", "timm") if name in sys.modules))
"""


@pytest.mark.process
def test_what_is_stored_is_matched_without_torch() -> None:
    def run() -> list[str]:
        done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.split()

    n, *imported = run()
    assert imported in (["torch", "timm"], []), "an earlier test may have traced it"
    assert run() == [n]
