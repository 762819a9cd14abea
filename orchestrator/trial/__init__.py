"""One trial in its process: what it is told to do, and what it reports."""
