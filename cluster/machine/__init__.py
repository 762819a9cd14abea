"""One machine: its processes, its scratch directories, the drain flag."""
