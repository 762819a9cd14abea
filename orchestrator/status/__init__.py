"""How far a run is, as people and tools are told."""
