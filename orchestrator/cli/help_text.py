"""Help from docstrings: paragraphs that fill the terminal's width, and examples that keep their lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable


def help_text(command: Callable[..., object] | None) -> str:
    """The docstring of `command` with the line breaks within its paragraphs removed; indented lines stay as they are.

    Docstrings are wrapped to fit the source, and typer would keep those line breaks.
    """
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(part if "\n " in part else part.replace("\n", " ") for part in paragraphs)
