"""The command `fdt-sweep`, also as `python -m orchestrator`."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line. It is imported within the `try`: Ctrl-C is met while that takes its time, too."""
    try:
        from orchestrator.boundary import run_command_line

        status = run_command_line()
    except KeyboardInterrupt:
        print("fdt-sweep: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
