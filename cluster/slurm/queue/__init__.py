"""Slurm's queue, as its commands show it."""
