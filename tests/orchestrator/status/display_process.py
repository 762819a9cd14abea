"""A sweep's console on this process's terminal; a pipe prescribes what it shows, a line for each step.

Usage: python -m tests.orchestrator.status.display_process COMMANDS_FD ACKNOWLEDGE_FD
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.backlog import Progress
from orchestrator.status.console import Console
from orchestrator.status.status_writer import RunningTrial

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


def main() -> None:
    commands, acknowledge = os.fdopen(int(sys.argv[1])), int(sys.argv[2])
    cells = plan_sweep(DEMO).cells
    print("before the console")
    with Console() as console:
        for command in commands:
            what, _, argument = command.rstrip("\n").partition(" ")
            if what == "say":
                console.say(argument)
            elif what == "print":
                print(argument)
            elif what == "warn":
                warnings.warn(argument, stacklevel=1)
            elif what == "show":
                ended, count = map(int, argument.split())
                running = [RunningTrial(cell=cell, since=0.0, epoch=1, test_accuracy=50.0) for cell in cells[:count]]
                console.show(Progress(done=ended, diverged=0, failed=0, held_back=0, total=24), running)
            else:
                break
            os.write(acknowledge, b".")
    print("after the console")
    os.write(acknowledge, b".")


if __name__ == "__main__":
    main()
