"""Read small JSON files: complete and of the right type, or refused with an error that names the file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import read_text_if_exists

T = TypeVar("T")


class DamagedFile(EnvironmentProblem):
    """A file written by fdt-sweep does not hold what it should: a disk was full, or something else wrote to it."""


def read_json(path: Path, type_: type[T], *, remedy: str = "") -> T | None:
    """Read the JSON file at `path` as `type_` (a dataclass or TypedDict); None if there is no such file.

    Keys that the type does not name are ignored. Raises DamagedFile if the file holds anything but such a value, and
    OSError if it cannot be read. The message names the file, what is wrong in it, and the `remedy`.
    """
    try:
        text = read_text_if_exists(path)
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not text in UTF-8", remedy) from error
    return None if text is None else parse_json(text, type_, path, remedy=remedy)


def parse_json(text: str | bytes, type_: type[T], source: Path | str, *, remedy: str = "") -> T:
    """Like `read_json`, for text that came from `source`."""
    adapter: TypeAdapter[T] = _adapter(cast(Any, type_))  # mypy considers types unhashable
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise damaged(source, _first_problem(error), remedy) from error


def damaged(source: Path | str, problem: str, remedy: str = "") -> DamagedFile:
    """The error for a file that does not hold what it should."""
    return DamagedFile(f"{source} is damaged ({problem})" + (f": {remedy}" if remedy else ""))


@functools.cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    """Cached, because making one takes milliseconds and some files are read every second."""
    return TypeAdapter(type_)


def _first_problem(error: ValidationError) -> str:
    """One line: what is wrong, and where."""
    detail: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"])
    return f"{place}: {detail['msg']}" if place else str(detail["msg"])
