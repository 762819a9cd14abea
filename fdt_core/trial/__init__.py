"""What defines a trial, its specification and recipe, and the records of its epochs."""
