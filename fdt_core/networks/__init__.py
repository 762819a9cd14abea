"""Networks as plans of layers, their costs, and how they are built."""
