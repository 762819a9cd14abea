"""A machine's CUDA devices: which there are, and whether they work."""
