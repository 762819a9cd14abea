"""Small JSON files that programs write and others read: whole, of the right form, or refused by name."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import read_text_if_exists

T = TypeVar("T")


class DamagedFile(EnvironmentProblem):
    """A file that fdt-sweep wrote does not hold what it should: a disk was full, or something else wrote there."""


def read_json(path: Path, type_: type[T], *, cure: str = "") -> T | None:
    """What the JSON file at `path` holds, checked against `type_` (a dataclass or TypedDict); None where there is none.

    Keys that the type does not name are left out. Raises DamagedFile for anything else than such a value, and OSError
    where the file cannot be read. The message names the file, what is wrong in it, and the `cure`.
    """
    try:
        text = read_text_if_exists(path)
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not text in UTF-8", cure) from error
    return None if text is None else parse_json(text, type_, path, cure=cure)


def parse_json(text: str, type_: type[T], source: Path | str, *, cure: str = "") -> T:
    """Like `read_json`, for text that came from `source`."""
    adapter: TypeAdapter[T] = _adapter(cast(Any, type_))  # mypy takes types for unhashable
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise damaged(source, _first_problem(error), cure) from error


def damaged(source: Path | str, problem: str, cure: str = "") -> DamagedFile:
    """The error for a file that holds something else than it should."""
    return DamagedFile(f"{source} is damaged ({problem})" + (f": {cure}" if cure else ""))


@functools.cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    """Making one takes milliseconds; some files are read every second."""
    return TypeAdapter(type_)


def _first_problem(error: ValidationError) -> str:
    """One line that says what is wrong and where."""
    detail: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"])
    return f"{place}: {detail['msg']}" if place else str(detail["msg"])
