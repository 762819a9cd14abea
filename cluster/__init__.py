"""Where compute comes from: cluster profiles, this machine, Slurm through submitit, hardened Ray nodes.

Knows no trials.
"""
