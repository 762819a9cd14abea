"""The software's version, and the code epoch that enters every trial's identity."""

VERSION = "0.1.0"

CODE_EPOCH = 2
"""Raised by hand when the numerics of training change: results from before then no longer count as the same trials.
The golden loss trace in the tests fails when a change of numerics forgets to raise it."""
