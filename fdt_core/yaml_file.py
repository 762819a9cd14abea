"""Strict YAML files: every error names the file, the line, the key, the legal values and the nearest match.

Scalars follow YAML 1.2's core schema, so `1e-3` is a number, `08:00:00` a string, and `no` a string.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from fdt_core.errors import UsageError, nearest_match
from fdt_core.plain_yaml import MOST_CHARACTERS, Path_, Unreadable, dotted, read_document

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A file's plain data (a mapping) and the line of each key and list item in it."""

    path: Path
    data: dict[str, Any]
    lines: dict[Path_, int]

    def fail(self, where: Path_, message: str) -> NoReturn:
        """Raise UsageError with the file, the line and the key of `where` (a path of keys and indexes)."""
        raise self.error(where, message)

    def error(self, where: Path_, message: str) -> UsageError:
        """The UsageError that `fail` raises."""
        known = next((where[:end] for end in range(len(where), 0, -1) if where[:end] in self.lines), ())
        place = f"{self.path}:{self.lines[known]}" if known else str(self.path)
        return UsageError(f"{place}: {dotted(where)}: {message}" if where else f"{place}: {message}")

    def parse(self, type_: type[T]) -> T:
        """The data as an instance of the (pydantic or plain) dataclass `type_`, checked strictly."""
        _reject_unknown_keys(self, self.data, type_, ())
        try:
            return TypeAdapter(type_).validate_json(json.dumps(self.data))
        except ValidationError as error:
            self.fail(*_most_specific(error, self.data))


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


def parse_scalar(text: str) -> Any:
    """The value that `text` has as a YAML value: used for `--set key=value`. Raises UsageError as `load_yaml` does."""
    try:
        return read_document(text).data
    except Unreadable as problem:
        raise UsageError(f"cannot read the value {_shown(text)}: {problem}") from problem


def _reject_unknown_keys(file: YamlFile, data: object, type_: Any, where: Path_) -> None:
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


def _most_specific(error: ValidationError, data: object) -> tuple[Path_, str]:
    """The place deepest in the file that pydantic complains of, and what is wrong there.

    Of a value that fits no member of a union, pydantic reports each member: the deepest place is where the file's
    author was at; several complaints about that place are alternatives.
    """
    found: dict[Path_, list[Any]] = {}
    for detail in error.errors():
        found.setdefault(_place(data, detail), []).append(detail)
    where = max(found, key=len)
    details = found[where]
    messages = list(dict.fromkeys(_describe(detail) for detail in details))
    if len(messages) == 1 and not messages[0].startswith("must be "):
        return where, messages[0]
    legal = " or ".join(message.removeprefix("must be ") for message in messages)
    return where, f"must be {legal}, not {_shown(details[0]['input'])}{_nearest_literal(details[0])}"


_PLAIN_WORDS = (
    ("a valid ", "a "),
    ("an array", "a list"),
    ("a array", "a list"),
    ("a integer", "an integer"),
    ("a dictionary or an instance of ", "a mapping of the fields of "),
    ("a dictionary", "a mapping"),
    ("a object", "a mapping"),
    ("a boolean", "true or false"),
)


def _describe(detail: Any) -> str:
    """Pydantic's complaint in plain words."""
    message = str(detail["msg"])
    if detail["type"] == "missing":
        return "this key is missing"
    if detail["type"] in ("value_error", "assertion_error"):
        return message.removeprefix("Value error, ")
    if detail["type"] == "too_short":
        return "must not be empty"
    if detail["type"] == "string_pattern_mismatch":
        return f"must match {detail['ctx']['pattern']}, not {_shown(detail['input'])}"
    message = "must be " + message.removeprefix("Input should be ")
    for theirs, ours in _PLAIN_WORDS:
        message = message.replace(theirs, ours)
    return message


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest_literal(detail: Any) -> str:
    if detail["type"] != "literal_error" or not isinstance(detail["input"], str):
        return ""
    return nearest_match(detail["input"], re.findall(r"'([^']*)'", str(detail["msg"])))


def _place(data: Any, detail: Any) -> Path_:
    """The part of pydantic's location that leads somewhere in `data`, plus the last key where that is the missing one.

    The rest are names of union members, which mean nothing to the file's author.
    """
    found: list[str | int] = []
    for part in detail["loc"]:
        in_mapping = isinstance(data, dict) and part in data
        if in_mapping or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            found.append(part)
            data = data[part]
    return (*found, detail["loc"][-1]) if detail["type"] == "missing" else tuple(found)
