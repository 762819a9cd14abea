"""Settings from the command line, `--set KEY=VALUE`, that override the data of a YAML file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from fdt_core.errors import UsageError
from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import YamlFile, parse_scalar, printable

_MAX_KEYS = 20
"""In the path to one value: no file nests that deep."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: the value for a path of keys, and how messages show it.

    Args:
        keys: the path of keys, at least one.
        value: plain data, as YAML reads it.
        text: the setting as given, such as `--set epochs=1`; shortened, and without control characters.
    """

    keys: tuple[str, ...]
    value: Any
    text: str


def parse_setting(given: str) -> Setting:
    """Parse `KEY=VALUE` or `KEY.SUB=VALUE`. Raises UsageError if it has another form or the value is not YAML."""
    dotted, equals, value = given.partition("=")
    keys = tuple(key.strip() for key in dotted.split("."))
    text = f"--set {printable(given)}"
    if not equals or not all(keys) or not dotted.isprintable() or len(keys) > _MAX_KEYS:
        raise UsageError(f"{text}: must have the form KEY=VALUE")
    return Setting(keys=keys, value=parse_scalar(value, text), text=text)


def apply_setting(file: YamlFile, setting: Setting, where: KeyPath | None = None) -> YamlFile:
    """A copy of `file` in which `setting` gives the value at `where`, by default at the keys that it names.

    Missing mappings on the way are made. Raises UsageError if something else is in the way.
    """
    place: KeyPath = setting.keys if where is None else where
    data = _with(file.data, place, setting, ())
    made = [place[:end] for end in range(1, len(place)) if not _is_given(file, place[:end])]
    return dataclasses.replace(
        file,
        data=data,
        lines={other: line for other, line in file.lines.items() if other[: len(place)] != place},
        settings={other: text for other, text in file.settings.items() if other[: len(place)] != place}
        | dict.fromkeys([*made, place], setting.text),
    )


def _with(data: Any, place: KeyPath, setting: Setting, above: KeyPath) -> Any:
    """A copy of `data`, which is found at `above`, with the setting's value at `place` in it."""
    if not place:
        return setting.value
    first, rest, here = place[0], place[1:], (*above, place[0])
    if isinstance(data, list) and isinstance(first, int):
        return [_with(item, rest, setting, here) if index == first else item for index, item in enumerate(data)]
    if not isinstance(data, dict | None):
        raise UsageError(f"{setting.text}: {above[-1]} is not a mapping")
    return {**(data or {}), first: _with((data or {}).get(first), rest, setting, here)}


def _is_given(file: YamlFile, place: KeyPath) -> bool:
    data: Any = file.data
    try:
        for part in place:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return False
    return True
