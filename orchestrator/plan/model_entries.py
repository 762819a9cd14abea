"""The entries of a sweep file's `models`: names, or mappings that also give arguments and overrides."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from fdt_core.errors import nearest_match
from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import YamlFile, parse_scalar
from fdt_core.model_definition import ModelDefinition

_KEY_OF = {"alias": "as"}
"""Fields of a definition whose key in the file is another word, one that Python reserves."""


def with_model_mappings(file: YamlFile) -> YamlFile:
    """The file with every model as a mapping of the fields of `ModelDefinition`: a name becomes its `name`.

    Raises UsageError naming an unknown key, or what is neither a name nor a mapping.
    """
    given = file.data.get("models")
    if not isinstance(given, list):
        return file
    models = [_entry(file, ("models", index), entry) for index, entry in enumerate(given)]
    fields = {key: field for field, key in _KEY_OF.items()}

    def place(where: KeyPath) -> KeyPath:
        is_model_key = len(where) > 2 and where[0] == "models"
        return (*where[:2], fields.get(str(where[2]), where[2]), *where[3:]) if is_model_key else where

    return dataclasses.replace(
        file,
        data=file.data | {"models": models},
        lines={place(where): line for where, line in file.lines.items()},
        settings={place(where): setting for where, setting in file.settings.items()},
    )


def model_definition(text: str) -> ModelDefinition:
    """The model that an option of the command line names: a name, or a mapping as in a sweep file.

    Raises UsageError for anything else.
    """
    entry = parse_scalar(text) if text.startswith("{") else text
    file = YamlFile(path=Path(text), data={"models": [entry]}, lines={})
    return with_model_mappings(file).parse(_Models).models[0]


@dataclass(frozen=True, kw_only=True)
class _Models:
    models: tuple[ModelDefinition, ...]


def _entry(file: YamlFile, where: KeyPath, entry: object) -> object:
    """One entry as a mapping of fields."""
    if isinstance(entry, str):
        return {"name": entry}
    if not isinstance(entry, dict):
        file.fail(where, f"must be a name or a mapping, not {json.dumps(entry)}")
    known = {_KEY_OF.get(field.name, field.name): field.name for field in dataclasses.fields(ModelDefinition)}
    for key in entry:
        if key not in known:
            file.fail((*where, key), f"unknown key{nearest_match(key, known)} (known: {', '.join(known)})")
    label = entry.get("as")
    if not (label is None or (isinstance(label, str) and label)):
        file.fail((*where, "as"), f"must be a name, not {json.dumps(label)}")
    return {known[key]: value for key, value in entry.items()}
