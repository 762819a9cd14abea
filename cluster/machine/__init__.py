"""One machine: its processes, its scratch directories, and the drain flag and its deadlines."""
