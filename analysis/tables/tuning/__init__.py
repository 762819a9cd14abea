"""The tables of runs that tune before they compare."""
