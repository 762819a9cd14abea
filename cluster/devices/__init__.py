"""A machine's CUDA devices: which ones there are, and whether they work."""
