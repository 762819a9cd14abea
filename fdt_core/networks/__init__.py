"""Networks as plans of layers: what they cost, and how they are built."""
