"""Ray nodes, hardened for shared machines."""
