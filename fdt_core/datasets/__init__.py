"""Data sets: what is known of them without the data (catalogue), and the prepared arrays."""
