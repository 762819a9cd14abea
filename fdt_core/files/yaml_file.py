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
from fdt_core.files.plain_yaml import MAX_CHARACTERS, KeyPath, Unreadable, dotted, read_document
from fdt_core.files.validation_messages import most_specific

T = TypeVar("T")
_SHOWN = 100


class WrongValue(UsageError):
    """A wrong value in plain data: `where` it is (a path of keys and indexes) and what the `problem` is."""

    def __init__(self, text: str, where: KeyPath, problem: str) -> None:
        super().__init__(text)
        self.where = where
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A file's plain data (a mapping) and where each of its values comes from.

    Args:
        path: the file.
        data: the file's data with the command line's overrides (see `fdt_core.files.set_options`).
        lines: the line of each key and list item whose value comes from the file.
        settings: the command line's `--set KEY=VALUE`, by the place of the value that it set.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]
    settings: dict[KeyPath, str] = field(default_factory=dict)

    def fail(self, where: KeyPath, message: str, joint: Sequence[KeyPath] = ()) -> NoReturn:
        """Raise what `error` returns."""
        raise self.error(where, message, joint)

    def error(self, where: KeyPath, message: str, joint: Sequence[KeyPath] = ()) -> WrongValue:
        """The error for the value at `where`, a path of keys and indexes.

        It names the file and line, or the setting that gave the value. If settings gave only part of it (values inside
        it, or at a place of `joint`, with which it is inconsistent), the error names them and the file, but no line.
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
        """Parse the data as the (pydantic or plain) dataclass `type_`, strictly."""
        _reject_unknown_keys(self, self.data, type_, ())
        try:
            return TypeAdapter(type_).validate_json(json.dumps(self.data))
        except ValidationError as error:
            self.fail(*most_specific(error, self.data))


def load_yaml(path: Path) -> YamlFile:
    """Read a YAML mapping.

    Raises UsageError if the file is missing, is not UTF-8 or not YAML, has an application tag (such as Python's) or a
    control character, repeats a key, is empty, too large or too deeply nested, or is not a mapping at the top level.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)  # a device such as /dev/zero never ends
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not a text file in UTF-8") from error
    return _parse(text, path)


def _parse(text: str, path: Path) -> YamlFile:
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
    """Parse `text` as a YAML value, for `--set key=value`.

    Raises UsageError like `load_yaml`; the message starts with `source` if that is given.
    """
    try:
        return read_document(text).data
    except Unreadable as problem:
        raise UsageError(f"{source or f'cannot read the value {printable(text)}'}: {problem}") from problem


def printable(text: str) -> str:
    """`text` shortened and with unprintable characters escaped: safe to show in one line of a message."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}..."


def _reject_unknown_keys(file: YamlFile, data: object, type_: Any, where: KeyPath) -> None:
    """Raise for a key of `data` that is not a field of the dataclasses that `type_` consists of."""
    for member in _members(type_):
        origin, arguments = get_origin(member), get_args(member)
        if dataclasses.is_dataclass(member) and isinstance(data, dict):
            every = get_type_hints(member, include_extras=True)
            hints = {_key(field.name, every[field.name]): every[field.name] for field in dataclasses.fields(member)}
            known = list(hints)
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


def _key(name: str, hint: Any) -> str:
    """The key of a field: its alias if it has one, because Python reserves the word, or else its name."""
    return next((part.alias for part in get_args(hint)[1:] if getattr(part, "alias", None)), name)


def _members(type_: Any) -> tuple[Any, ...]:
    """The types that a Union or Annotated type allows."""
    if get_origin(type_) is Annotated:
        return _members(get_args(type_)[0])
    if get_origin(type_) in (Union, types.UnionType):
        return tuple(member for part in get_args(type_) for member in _members(part))
    return (type_,)


def _within(place: KeyPath, other: KeyPath) -> bool:
    """Whether `place` is `other` or inside it."""
    return place[: len(other)] == other
