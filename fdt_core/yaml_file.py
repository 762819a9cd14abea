"""Strict YAML files: every error names the file, the line, the key, the legal values and the nearest match.

Scalars follow YAML 1.2's core schema, so `1e-3` is a number, `08:00:00` a string, and `no` a string.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from yaml.reader import ReaderError

from fdt_core.errors import UsageError, nearest_match
from fdt_core.validation_messages import most_specific

T = TypeVar("T")
Path_ = tuple[str | int, ...]


class _CoreSchemaLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core schema in place of 1.1's surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
):
    _CoreSchemaLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "int", "float", "str", "seq", "map"))


class WrongValue(UsageError):
    """A wrong value in plain data: `where` it is (a path of keys and indexes) and the `problem`, also one by one."""

    def __init__(self, text: str, where: Path_, problem: str) -> None:
        super().__init__(text)
        self.where = where
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A file's plain data (a mapping) and where each value of it comes from.

    Args:
        path: the file.
        data: what the file says, with what the command line lays over it (see `fdt_core.settings`).
        lines: the line of each key and list item, where the value is the file's own.
        settings: the command line's `--set KEY=VALUE`, by the place of the value that it gave.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Path_, int]
    settings: dict[Path_, str] = field(default_factory=dict)

    def fail(self, where: Path_, message: str, joint: Sequence[Path_] = ()) -> NoReturn:
        """Raise what `error` returns."""
        raise self.error(where, message, joint)

    def error(self, where: Path_, message: str, joint: Sequence[Path_] = ()) -> WrongValue:
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
        key = "" if where == source and source in self.settings else _dotted(where)
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
    Python's), repeats a key, is empty, or holds anything but a mapping at the top.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not a text file in UTF-8") from error
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Like `load_yaml`, for text that came from `path`."""
    data, lines = _read(text, lambda line: f"{path}:{line}" if line else str(path))
    if data is None:
        raise UsageError(f"{path}: is empty")
    if not isinstance(data, dict):
        kind = "list" if isinstance(data, list) else "single value"
        raise UsageError(f"{path}: must be a mapping of keys to values, not a {kind}")
    return YamlFile(path=path, data=data, lines=lines)


def parse_scalar(text: str, source: str = "") -> Any:
    """The value that `text` has as a YAML value: used for `--set key=value`.

    Raises UsageError, which begins with `source` where that is given.
    """
    return _read(text, lambda _line: source or f"the value {printable(text)}")[0]


def printable(text: str) -> str:
    """`text` with control characters and half characters written as escapes, so that it is safe in one line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _read(text: str, place: Callable[[int], str]) -> tuple[Any, dict[Path_, int]]:
    """The data of a YAML text, and the line of each key and item; `place` names a line (0: not known) to people."""
    lines: dict[Path_, int] = {}
    try:
        loader = _CoreSchemaLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _index(node, (), lines, place, frozenset())
        return loader.construct_document(node), lines
    except UsageError:
        raise
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{place(line)}: holds the control character {chr(error.character)!r}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{place(_line_of(error))}: {_problem_of(error)}") from error
    except RecursionError as error:
        raise UsageError(f"{place(0)}: is nested too deeply") from error
    except (ValueError, KeyError) as error:  # such as a number of 5,000 digits
        raise UsageError(f"{place(0)}: holds a value that cannot be read") from error


def _index(
    node: yaml.Node, where: Path_, lines: dict[Path_, int], place: Callable[[int], str], above: frozenset[int]
) -> None:
    """Record the line of every key and item; reject repeated keys, tags, and aliases that contain themselves."""
    line = node.start_mark.line + 1
    if id(node) in above:
        raise UsageError(f"{place(line)}: an alias contains itself")
    if node.tag not in _PLAIN_TAGS:
        raise UsageError(f"{place(line)}: {printable(node.tag)} is no type of plain YAML (only plain YAML is read)")
    above = above | {id(node)}
    if isinstance(node, yaml.ScalarNode):
        if strange := re.search(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]", node.value):
            raise UsageError(f"{place(line)}: holds the control character {strange.group()!r}")
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*where, index)] = item.start_mark.line + 1
            _index(item, (*where, index), lines, place, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner, line = (*where, str(key.value)), key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                within = f"{_dotted(where)}: " if where else ""
                raise UsageError(f"{place(line)}: {within}a key must be a plain word")
            if inner in lines:
                first = f" (first in line {lines[inner]})" if lines[inner] != line else ""
                raise UsageError(f"{place(line)}: {_dotted(inner)}: repeated key{first}")
            lines[inner] = line
            _index(value, inner, lines, place, above)


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


def _within(place: Path_, other: Path_) -> bool:
    """Whether `place` is `other`, or lies in it."""
    return place[: len(other)] == other


def _dotted(where: Path_) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def _line_of(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 0


def _problem_of(error: yaml.YAMLError) -> str:
    return f"is not YAML: {printable(getattr(error, 'problem', None) or str(error).splitlines()[0])}"
