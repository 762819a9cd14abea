"""Replaces `cluster.devices.device_probe` on a machine without a GPU: `python probe_answers.py FOLDER`.

FOLDER/<id>.json holds the answers for the device in CUDA_VISIBLE_DEVICES, one per look; the last one is repeated. An
answer is what the real probe prints, or one of: hang (seconds), signal (number), complaint (to stderr). Each look adds
a line `<id> <arguments>` to FOLDER/looks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

H100 = {
    "name": "NVIDIA H100",
    "uuid": "a1b2c3d4" * 4,
    "capability": [9, 0],
    "exclusive": False,
    "driver_cuda": 13000,
    "torch_cuda": "13.0",
    "architectures": ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"],
    "free": 79 * 2**30,
    "total": 80 * 2**30,
}
"""What the real probe prints for a healthy card."""
ECC = {
    "name": "NVIDIA H100",
    "uuid": "ee" * 16,
    "fault": "CUDA error: uncorrectable ECC error encountered\nCompile with `TORCH_USE_CUDA_DSA`",
    "number": 214,
}
BUSY = {"fault": "CUDA error: CUDA-capable device(s) is/are busy or unavailable", "number": 46}


def probe(folder: Path, **answers: Any) -> Sequence[str]:
    """The command of a probe that gives these answers (one, or a list of successive ones) for the ids `_ID`."""
    for id_, given in answers.items():
        (folder / f"{id_.removeprefix('_')}.json").write_text(json.dumps(given if isinstance(given, list) else [given]))
    return (sys.executable, "-P", __file__, str(folder))


def looks(folder: Path) -> list[str]:
    """The devices that were examined, in order of their ids, with the arguments of each look."""
    return sorted((folder / "looks").read_text().splitlines())


def main(folder: Path) -> None:
    id_ = os.environ["CUDA_VISIBLE_DEVICES"]
    with (folder / "looks").open("a") as file:
        file.write(" ".join([id_, *sys.argv[2:]]) + "\n")
    answers = json.loads((folder / f"{id_}.json").read_text())
    if len(answers) > 1:
        (folder / f"{id_}.json").write_text(json.dumps(answers[1:]))
    answer = answers[0]
    if "hang" in answer:
        time.sleep(answer["hang"])
    elif "signal" in answer:
        os.kill(os.getpid(), signal.Signals(answer["signal"]))
    elif "complaint" in answer:
        sys.exit(answer["complaint"])
    else:
        print("a library says hello")
        print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
