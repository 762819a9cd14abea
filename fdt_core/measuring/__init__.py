"""Measured speed and memory of networks: the rows of `profiles`."""
