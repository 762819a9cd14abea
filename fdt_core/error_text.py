"""The one line of an error that says what went wrong."""

from __future__ import annotations

import re

_FRAME = re.compile(r"^\s*File \".*\", line \d+")
"""A frame of a Python traceback; the source lines below it are indented deeper."""

_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")

_BOILERPLATE = re.compile(
    "|".join(
        (
            # What torch appends to every error of a device (c10/cuda/CUDAException.cpp), for CUDA and for ROCm.
            r"(CUDA|HIP|GPU) kernel errors might be asynchronously reported",
            r"For debugging consider passing \w+=\d",
            r"Compile with `?TORCH_USE_\w+_DSA`?",
            r"Device-side assertion",
            r"Search for `?\w+'? in https?://",
            # C++ stack traces, with TORCH_SHOW_CPP_STACKTRACES=1 and from exceptions that nothing caught.
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
"""Lines that are the same whatever went wrong."""


def informative_line(text: str) -> str:
    """The line of an error's message or traceback that tells what went wrong; empty for an empty text.

    It is the first line of the last error's message. Errors of CUDA end in general advice, those of C++ and of
    torch.compile in stack traces: such lines are skipped. A line that ends in a colon is joined with the one after it.
    """
    for block in reversed(_blocks(text)):
        told = [line for line in block if not _BOILERPLATE.match(line)]
        if told:
            joined = told[0].endswith(":") and len(told) > 1
            return f"{told[0]} {told[1]}" if joined else told[0]
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def failure_signature(error: str | None) -> str:
    """What the errors of one cause have in common: the informative line, with its numbers and addresses as 'N'."""
    return _VARYING.sub("N", informative_line(error or "")) or "no message"


def _blocks(text: str) -> list[list[str]]:
    """The lines of a text, stripped, parted where there are frames of a traceback; none of these, no empty lines."""
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
