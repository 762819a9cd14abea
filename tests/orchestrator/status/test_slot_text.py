"""`fdt-sweep templates --explain`: the slots of a model, what follows them, and what stays fixed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from orchestrator.status.slot_text import slots_json, slots_text

MOBILENET = ModelDefinition(name="timm/mobilenetv2_050")
IMAGE = ImageShape()


@pytest.fixture(scope="module")
def explained() -> Any:
    return json.loads(json.dumps(slots_json(MOBILENET, IMAGE)))


def test_the_text_has_a_line_per_slot_with_its_base_filters_and_layers(explained: Any) -> None:
    head, title, *lines = slots_text(MOBILENET, IMAGE).splitlines()
    assert re.fullmatch(
        r"timm/mobilenetv2_050 \(timm \S+\), images of 3 x 32 x 32: 20 slots, 700,490 parameters, [\d,]+ MACs", head
    )
    assert title == "slot  base  multiple  layers"
    rows = [line.split(maxsplit=3) for line in lines if re.match(r" *\d+ +\d+ +\d+  ", line)]
    assert [(int(base), int(multiple)) for _, base, multiple, _ in rows] == [
        (slot["base"], slot["multiple"]) for slot in explained["slots"]
    ]
    assert [int(index) for index, *_ in rows] == list(range(20))


def test_the_residual_streams_follow_the_expanded_widths_at_a_sixth(explained: Any) -> None:
    ratios = [each["ratio"] for slot in explained["slots"] for each in slot["followers"]]
    assert "1/6" in ratios
    text = slots_text(MOBILENET, IMAGE)
    assert re.search(r"^ {22}1/6 of it: blocks\.\S*conv_pwl", text, re.MULTILINE)


def test_what_is_fixed_is_listed_with_its_reason() -> None:
    text = slots_text(ModelDefinition(name="timm/mobilenetv2_050", fixed=("blocks.1.0.conv_pw",)), IMAGE)
    _, _, fixed = text.partition("fixed (the width multiplier changes them, no template does):\n")
    assert "blocks.1.0.conv_pw" in fixed
    assert "as `fixed` says" in fixed


def test_the_plain_data_names_source_slots_and_fixed_widths(explained: Any) -> None:
    assert set(explained) == {"model", "source", "slots", "fixed", "held"}
    assert explained["source"].startswith("timm ")
    assert len(explained["slots"]) == 20
    assert set(explained["slots"][0]) == {"width", "base", "multiple", "modules", "followers"}


def test_a_hand_written_architecture_has_the_slots_of_its_plan() -> None:
    definition = ModelDefinition(name="vgg11")
    assert slots_text(definition, IMAGE).startswith("vgg11: 8 slots, which its plan defines")
    assert slots_json(definition, IMAGE)["base"] == [64, 128, 256, 256, 512, 512, 512, 512]


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown model 'vgg12'"):
        slots_text(ModelDefinition(name="vgg12"), IMAGE)
