"""What a trial is: its specification, its recipe, and the record of its epochs."""
