"""Maintenance of a run directory: what may be removed, and whether all of it is sound."""
