"""Turn pydantic's validation errors into one place and one plain sentence."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from fdt_core.errors import nearest_match
from fdt_core.files.plain_yaml import KeyPath


def most_specific(error: ValidationError, data: object) -> tuple[KeyPath, str]:
    """The deepest place in the file that pydantic reports, and what is wrong there.

    For a value that fits no member of a union, pydantic reports each member. The deepest place is the one that the
    file's author meant; several errors at that place are alternatives.
    """
    found: dict[KeyPath, list[Any]] = {}
    for detail in error.errors():
        found.setdefault(_place(data, detail), []).append(detail)
    where = max(found, key=len)
    details = found[where]
    # A check of our own has run only if the value has the form of that member: it is the one that was meant.
    details = [detail for detail in details if detail["type"] == "value_error"] or details
    messages = list(dict.fromkeys(_describe(detail) for detail in details))
    if len(messages) == 1 and not messages[0].startswith("must be "):
        return where, messages[0]
    legal = " or ".join(message.removeprefix("must be ") for message in messages)
    return where, f"must be {legal}, not {_shown(details[0]['input'])}{_nearest_literal(details[0])}"


_PLAIN_WORDS = (
    ("a valid ", "a "),
    ("an array", "a list"),
    ("an object", "a mapping"),
    ("a array", "a list"),
    ("a integer", "an integer"),
    ("a dictionary or an instance of ", "a mapping of the fields of "),
    ("a dictionary", "a mapping"),
    ("a object", "a mapping"),
    ("a boolean", "true or false"),
)


def _describe(detail: Any) -> str:
    """Pydantic's error in plain words."""
    message = str(detail["msg"])
    if detail["type"] == "missing":
        return "this key is missing"
    if detail["type"] in ("value_error", "assertion_error"):
        return message.removeprefix("Value error, ")
    if detail["type"] == "too_short":
        return "must not be empty"
    if detail["type"] == "too_long":
        return f"must have at most {detail['ctx']['max_length']} values"
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


def _place(data: Any, detail: Any) -> KeyPath:
    """The part of pydantic's location that exists in `data`, plus the last key if that is the missing one.

    The rest are names of union members, which mean nothing to the file's author.
    """
    found: list[str | int] = []
    for part in detail["loc"]:
        in_mapping = isinstance(data, dict) and part in data
        if in_mapping or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            found.append(part)
            data = data[part]
    return (*found, detail["loc"][-1]) if detail["type"] == "missing" else tuple(found)
