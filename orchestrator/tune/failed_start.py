"""Why a Ray process ended before its trial started: what it wrote last, kept after Ray's own files are gone."""

from __future__ import annotations

import re
from pathlib import Path

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FAILURE = re.compile(r"^Failure # \d+ .*$", re.MULTILINE)
_PROCESS = re.compile(r"\bpid[:=] ?(\d+)")


def explain_failed_start(error_file: str | None, ray_directory: Path, log: Path) -> str:
    """One line: why the newest process of a trial ended, and where the details are.

    Args:
        error_file: what Ray Tune wrote about the trial's failures, None if it wrote nothing.
        ray_directory: the directory of this machine's Ray node, which is removed with it.
        log: gets all that is known.
    """
    reported = _newest_failure(Path(error_file)) if error_file else ""
    printed = _printed_by(_PROCESS.findall(reported)[-1:], ray_directory)
    log.write_text(f"{reported}\n\n{printed}".strip() + "\n", encoding="utf-8")
    lines = [line for text in (printed, reported) for line in reversed(text.splitlines()) if line.strip()]
    return f"{lines[0].strip() if lines else 'they end without a message'} (log: {log})"


def _newest_failure(error_file: Path) -> str:
    """What Ray reports of the last failure; the file holds all of them in order."""
    try:
        text = error_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return _COLOURS.sub("", _FAILURE.split(text)[-1]).strip()


def _printed_by(process: list[str], ray_directory: Path) -> str:
    """What the process wrote on stderr; empty if it wrote nothing, or was on another machine."""
    logs = [path for pid in process for path in ray_directory.glob(f"session_*/logs/worker-*-{pid}.err")]
    lines = [line for path in logs for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return _COLOURS.sub("", "\n".join(line for line in lines if not line.startswith((":job_id:", ":actor_name:"))))
