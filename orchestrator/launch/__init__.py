"""From a checked launch to a running sweep: on this machine, detached from the terminal, or on Slurm."""
