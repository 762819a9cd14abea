"""Adaptive seeds: which cells are wanted, and how many will likely be."""
