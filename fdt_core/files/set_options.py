"""Settings of the command line, `--set KEY=VALUE`, laid over the data of a YAML file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from fdt_core.errors import UsageError
from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import YamlFile, parse_scalar, printable

_MOST_KEYS = 20
"""In the path to one value: no file nests as deep."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: the value for a path of keys, and the words of the command line that people are shown.

    Args:
        keys: the path of keys, at least one.
        value: plain data, as YAML reads it.
        text: such as `--set epochs=1`; shortened, and without control characters.
    """

    keys: tuple[str, ...]
    value: Any
    text: str


def parse_setting(given: str) -> Setting:
    """Read `KEY=VALUE` or `KEY.SUB=VALUE`. Raises UsageError where it has another form or the value is not YAML."""
    dotted, equals, value = given.partition("=")
    keys = tuple(key.strip() for key in dotted.split("."))
    text = f"--set {printable(given)}"
    if not equals or not all(keys) or not dotted.isprintable() or len(keys) > _MOST_KEYS:
        raise UsageError(f"{text}: must have the form KEY=VALUE")
    return Setting(keys=keys, value=parse_scalar(value, text), text=text)


def lay_over(file: YamlFile, setting: Setting, where: KeyPath | None = None) -> YamlFile:
    """A copy of `file` in which `setting` gives the value at `where` (by default at its own keys).

    Mappings on the way are made. Raises UsageError where something else stands in the way.
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
    """A copy of `data`, which lies at `above`, with the setting's value at `place` in it."""
    if not place:
        return setting.value
    first, rest, here = place[0], place[1:], (*above, place[0])
    if isinstance(data, list) and isinstance(first, int):
        return [_with(item, rest, setting, here) if index == first else item for index, item in enumerate(data)]
    if not isinstance(data, dict | None):
        raise UsageError(f"{setting.text}: {above[-1]} has no keys of its own")
    return {**(data or {}), first: _with((data or {}).get(first), rest, setting, here)}


def _is_given(file: YamlFile, place: KeyPath) -> bool:
    data: Any = file.data
    try:
        for part in place:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return False
    return True
