"""Cluster profiles: the YAML files that say where compute comes from."""
