"""One trial in its process: its order, and what it reports."""
