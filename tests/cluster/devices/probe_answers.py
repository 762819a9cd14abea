"""Stands for `cluster.devices.device_probe` on a machine without a GPU: `python probe_answers.py FOLDER`.

FOLDER/<id>.json holds what is to be said of the device that CUDA_VISIBLE_DEVICES names, look by look; the last answer
stays. An answer is what the real probe prints, or one of: hang (seconds), signal (number), complaint (to stderr).
Each look is a line `<id> <arguments>` of FOLDER/looks.
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
"""What the real probe says of a card in good order."""


def probe(folder: Path, **answers: Any) -> Sequence[str]:
    """The command of a probe that gives these answers (one, or a list of successive ones) for the ids `_ID`."""
    for id_, said in answers.items():
        (folder / f"{id_.removeprefix('_')}.json").write_text(json.dumps(said if isinstance(said, list) else [said]))
    return (sys.executable, "-P", __file__, str(folder))


def looks(folder: Path) -> list[str]:
    """The devices that were looked at, in order of their ids, with the arguments of each look."""
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
