"""Sizes that remember how they depend on the free widths of a network."""
