"""What tests and benchmarks share: sweeps that are started as users start them, and a real Slurm on one machine."""
