"""A real Slurm of virtual nodes on this machine, and sweeps that run on it."""
