"""Slurm's queue, seen through its commands."""
