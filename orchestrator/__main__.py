"""`python -m orchestrator` is `fdt-sweep`."""

from fdt_core.start import command_line

command_line()
