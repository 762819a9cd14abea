"""Parse text as a strict subset of YAML 1.2: only what a person would write into such a file.

Refused before anything else sees them: control characters, tags, repeated keys, deep nesting, and aliases that
multiply.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

MAX_CHARACTERS = 1_000_000
_MAX_VALUES = 100_000
"""Keys and items in a file, with all aliases expanded."""
_MAX_DEPTH = 50
"""Nested mappings and lists."""
_MAX_NUMBER_LENGTH = 40
"""Characters. Python does not parse integers of more than 4300 digits."""

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Control characters except tab and line breaks, and code points that are not characters, such as surrogates."""


class Unreadable(Exception):
    """Text that is not plain YAML: the reason, and the line (from 1) if known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data, and the line (from 1) of each key and list item."""

    data: Any
    lines: dict[KeyPath, int]
    line: int
    """Where the data starts."""
    is_empty: bool


class _CoreSchemaLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core schema in place of 1.1's surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's interface


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
):
    _CoreSchemaLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

_STR, _SEQ, _MAP = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def read_document(text: str) -> Document:
    """Parse the YAML document `text`. Raises Unreadable."""
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"is larger than {MAX_CHARACTERS:,} characters")
    lines: dict[KeyPath, int] = {}
    try:
        loader = _CoreSchemaLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(data=None, lines=lines, line=1, is_empty=True)
            _index(loader, node, (), lines, frozenset())
            return Document(data=loader.construct_document(node), lines=lines, line=_line(node), is_empty=False)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:  # a character that YAML allows nowhere
        raise Unreadable(_not_text(text[error.position]), text.count("\n", 0, error.position) + 1) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise Unreadable(f"is not YAML: {problem}", mark.line + 1 if mark else None) from error
    except RecursionError as error:
        raise Unreadable(_too_deep()) from error


def dotted(where: KeyPath) -> str:
    """A key path as messages show it: `overrides[0].where.model`."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if part.isprintable() else json.dumps(part))
    return text


def _index(
    loader: _CoreSchemaLoader, node: yaml.Node, where: KeyPath, lines: dict[KeyPath, int], above: frozenset[int]
) -> None:
    """Record the line of every key and item in `lines`, and refuse what is not plain YAML."""
    if id(node) in above:
        raise Unreadable("an alias contains itself", _line(node))
    if len(where) > _MAX_DEPTH:
        raise Unreadable(_too_deep(), _line(node))
    if len(lines) > _MAX_VALUES:
        raise Unreadable(f"holds more than {_MAX_VALUES:,} values with all aliases expanded")
    _check_plain(loader, node, where)
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*where, index)] = _line(item)
            _index(loader, item, (*where, index), lines, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _STR:
                raise Unreadable(f"{_place(where)}a key must be a plain word", _line(key))
            place = (*where, key.value)
            _check_plain(loader, key, place)
            if place in lines:
                first = f" (first in line {lines[place]})" if lines[place] != _line(key) else ""
                raise Unreadable(f"{dotted(place)}: repeated key{first}", _line(key))
            lines[place] = _line(key)
            _index(loader, value, place, lines, above)


def _check_plain(loader: _CoreSchemaLoader, node: yaml.Node, where: KeyPath) -> None:
    """Raise Unreadable for characters that are not text, and for a tag that is not the node's implicit one."""
    if isinstance(node, yaml.ScalarNode):
        if found := _NOT_TEXT.search(node.value):
            raise Unreadable(_not_text(found[0]), _line(node))
        if node.tag != _STR and len(node.value) > _MAX_NUMBER_LENGTH:
            raise Unreadable(f"{_place(where)}this number is too long", _line(node))
        resolve: Any = loader.resolve  # PyYAML's stubs leave it untyped
        implicit = _STR if node.tag == _STR else resolve(yaml.ScalarNode, node.value, (True, False))
    else:
        implicit = _SEQ if isinstance(node, yaml.SequenceNode) else _MAP
    if node.tag != implicit:
        name = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise Unreadable(f"{_place(where)}has the tag {name} (only plain YAML is read)", _line(node))


def _place(where: KeyPath) -> str:
    return f"{dotted(where)}: " if where else ""


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line


def _not_text(character: str) -> str:
    return f"contains the character U+{ord(character):04X}, which is not text"


def _too_deep() -> str:
    return f"has more than {_MAX_DEPTH} nested lists and mappings"
