"""A sweep on Slurm: its jobs, how they are submitted, and the files through which they meet."""
