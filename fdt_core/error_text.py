"""The one line of an error that says what went wrong."""

from __future__ import annotations

import re

_FRAME = re.compile(r"^\s*File \".*\", line \d+")
"""A frame of a Python traceback; the source lines below it are indented further."""

_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")

_BOILERPLATE = re.compile(
    "|".join(
        (
            # What torch appends to every device error (c10/cuda/CUDAException.cpp), for CUDA and for ROCm.
            r"(CUDA|HIP|GPU) kernel errors might be asynchronously reported",
            r"For debugging consider passing \w+=\d",
            r"Compile with `?TORCH_USE_\w+_DSA`?",
            r"Device-side assertion",
            r"Search for `?\w+'? in https?://",
            # C++ stack traces: with TORCH_SHOW_CPP_STACKTRACES=1, and from uncaught exceptions.
            r"Exception raised from ",
            r"C\+\+ CapturedTraceback",
            r"frame #\d+:",
            r"#\d+ ",
            # What torch.compile appends.
            r"Set TORCHDYNAMO_VERBOSE",
            r"You can suppress this exception",
            r"import torch\._dynamo",
            r"torch\._dynamo\.config\.",
            r"from user code:",
            # What Python writes between the parts of a traceback.
            r"Traceback\b",
            r"During handling of the above exception",
            r"The above exception was the direct cause",
            r"\^+$",
        )
    )
)
"""The start of lines that do not depend on what went wrong."""


def informative_line(text: str) -> str:
    """The line of an error message or traceback that says what went wrong; empty for an empty text.

    This is the first line of the last error's message. CUDA errors end in general advice, C++ and torch.compile errors
    in stack traces: such lines are skipped. A line that ends in a colon is joined with the next one.
    """
    for block in reversed(_blocks(text)):
        lines = [line for line in block if not _BOILERPLATE.match(line)]
        if lines:
            joined = lines[0].endswith(":") and len(lines) > 1
            return f"{lines[0]} {lines[1]}" if joined else lines[0]
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def error_line(error: BaseException) -> str:
    """The class of an error, and the line of its message that says what went wrong."""
    return f"{type(error).__name__}: {informative_line(str(error))}".removesuffix(": ")


def failure_signature(error: str | None) -> str:
    """What errors with the same cause share: the informative line, with numbers and addresses replaced by 'N'."""
    return _VARYING.sub("N", informative_line(error or "")) or "no message"


def _blocks(text: str) -> list[list[str]]:
    """The stripped lines of a text, split at traceback frames, without the frames and without empty lines."""
    blocks: list[list[str]] = [[]]
    frame_indent: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if _FRAME.match(line):
            frame_indent = indent
            blocks.append([])
        elif line.strip() and not (frame_indent is not None and indent > frame_indent):
            frame_indent = None
            blocks[-1].append(line.strip())
    return blocks
