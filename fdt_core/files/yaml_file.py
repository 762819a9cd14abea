"""Strict YAML files: every error names the file, the line, the key, the legal values and the nearest match.

Scalars follow YAML 1.2's core schema, so `1e-3` is a number, `08:00:00` a string, and `no` a string.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from fdt_core.errors import UsageError, nearest_match
from fdt_core.files.plain_yaml import MOST_CHARACTERS, KeyPath, Unreadable, dotted, read_document
from fdt_core.files.validation_messages import most_specific

T = TypeVar("T")
_SHOWN = 100


class WrongValue(UsageError):
    """A wrong value in plain data: `where` it is (a path of keys and indexes) and the `problem`, also one by one."""

    def __init__(self, text: str, where: KeyPath, problem: str) -> None:
        super().__init__(text)
        self.where = where
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A file's plain data (a mapping) and where each value of it comes from.

    Args:
        path: the file.
        data: what the file says, with what the command line lays over it (see `fdt_core.files.set_options`).
        lines: the line of each key and list item, where the value is the file's own.
        settings: the command line's `--set KEY=VALUE`, by the place of the value that it gave.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]
    settings: dict[KeyPath, str] = field(default_factory=dict)

    def fail(self, where: KeyPath, message: str, joint: Sequence[KeyPath] = ()) -> NoReturn:
        """Raise what `error` returns."""
        raise self.error(where, message, joint)

    def error(self, where: KeyPath, message: str, joint: Sequence[KeyPath] = ()) -> WrongValue:
        """The error of the value at `where`, a path of keys and indexes.

        It names the file and line, or the setting that gave the value. Where settings only took part (they gave values
        in the wrong one, or at a place of `joint`, with which the value does not go together), it names them and the
        file, and no line.
        """
        around = [where[:end] for end in range(len(where), 0, -1)]
        source = next((place for place in around if place in self.settings or place in self.lines), ())
        parts = [other for other in self.settings if any(_within(other, place) for place in (where, *joint))]
        if source in self.settings:
            parts.insert(0, source)
        settings = ", ".join(dict.fromkeys(self.settings[part] for part in parts))
        if source in self.settings:
            origin = settings
        elif settings:
            origin = f"{settings} over {self.path}"
        else:
            origin = f"{self.path}:{self.lines[source]}" if source else str(self.path)
        key = "" if where == source and source in self.settings else dotted(where)
        return WrongValue(f"{origin}: {key}: {message}" if key else f"{origin}: {message}", where, message)

    def parse(self, type_: type[T]) -> T:
        """The data as an instance of the (pydantic or plain) dataclass `type_`, checked strictly."""
        _reject_unknown_keys(self, self.data, type_, ())
        try:
            return TypeAdapter(type_).validate_json(json.dumps(self.data))
        except ValidationError as error:
            self.fail(*most_specific(error, self.data))


def load_yaml(path: Path) -> YamlFile:
    """Read a YAML mapping.

    Raises UsageError where the file is missing, is not UTF-8 or not YAML, carries an application tag (such as
    Python's) or a control character, repeats a key, is empty, too large or too deep, or holds anything but a mapping
    at the top.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)  # a device such as /dev/zero has no end
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not a text file in UTF-8") from error
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Like `load_yaml`, for text that came from `path`."""
    try:
        document = read_document(text)
    except Unreadable as problem:
        place = path if problem.line is None else f"{path}:{problem.line}"
        raise UsageError(f"{place}: {problem}") from problem
    if document.is_empty:
        raise UsageError(f"{path}: is empty")
    if not isinstance(document.data, dict):
        kind = "list" if isinstance(document.data, list) else "single value"
        raise UsageError(f"{path}:{document.line}: must be a mapping of keys to values, not a {kind}")
    return YamlFile(path=path, data=document.data, lines=document.lines)


def parse_scalar(text: str, source: str = "") -> Any:
    """The value that `text` has as a YAML value: used for `--set key=value`.

    Raises UsageError as `load_yaml` does; it begins with `source` where that is given.
    """
    try:
        return read_document(text).data
    except Unreadable as problem:
        raise UsageError(f"{source or f'cannot read the value {printable(text)}'}: {problem}") from problem


def printable(text: str) -> str:
    """`text` shortened, with control characters and half characters as escapes: safe to show in a line of a message."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}..."


def _reject_unknown_keys(file: YamlFile, data: object, type_: Any, where: KeyPath) -> None:
    """Compare the keys of `data` with the fields of the dataclasses that `type_` is made of."""
    for member in _members(type_):
        origin, arguments = get_origin(member), get_args(member)
        if dataclasses.is_dataclass(member) and isinstance(data, dict):
            hints = get_type_hints(member, include_extras=True)
            known = [field.name for field in dataclasses.fields(member)]
            for key, value in data.items():
                if key not in known:
                    file.fail((*where, key), f"unknown key{nearest_match(key, known)} (known: {', '.join(known)})")
                _reject_unknown_keys(file, value, hints[key], (*where, key))
            return
        if origin in (tuple, list, Sequence) and isinstance(data, list):
            for index, item in enumerate(data):
                _reject_unknown_keys(file, item, arguments[0], (*where, index))
        elif origin in (dict, Mapping) and isinstance(data, dict):
            for key, value in data.items():
                _reject_unknown_keys(file, value, arguments[1], (*where, key))


def _members(type_: Any) -> tuple[Any, ...]:
    """The types that a Union or Annotated type allows."""
    if get_origin(type_) is Annotated:
        return _members(get_args(type_)[0])
    if get_origin(type_) in (Union, types.UnionType):
        return tuple(member for part in get_args(type_) for member in _members(part))
    return (type_,)


def _within(place: KeyPath, other: KeyPath) -> bool:
    """Whether `place` is `other`, or lies in it."""
    return place[: len(other)] == other
