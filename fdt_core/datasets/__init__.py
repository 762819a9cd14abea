"""Data sets: facts known without the data (catalogue), preparation, and the prepared arrays."""
