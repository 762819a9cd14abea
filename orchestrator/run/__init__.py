"""A run directory: what it holds, who may write to it, and what is left to do."""
