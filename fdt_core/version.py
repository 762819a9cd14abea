"""The version of fdt-sweep, and the code epoch that is part of every trial's identity."""

VERSION = "0.1.0"

CODE_EPOCH = 2
"""Raised manually when the numerics of training change: earlier results no longer count as the same trials.
The golden loss trace in the tests fails if a change of numerics does not raise it."""
