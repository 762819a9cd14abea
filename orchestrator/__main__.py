"""`python -m orchestrator` is `fdt-sweep`."""

from orchestrator.cli import main

main()
