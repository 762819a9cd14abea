"""From a checked launch to a running sweep: on this machine, apart from the terminal, or on Slurm."""
