"""Ray nodes, hardened for machines that are shared."""
