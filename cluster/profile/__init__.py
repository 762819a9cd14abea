"""Cluster profiles: where compute comes from."""
