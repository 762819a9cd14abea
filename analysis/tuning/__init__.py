"""Runs that tune before they compare: what was chosen, and what each number of candidates would have found."""
