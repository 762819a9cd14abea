"""Measurements of the speed and memory of networks: the rows of the table `profiles`."""
