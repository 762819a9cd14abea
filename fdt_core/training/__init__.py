"""The trainer: one trial from its specification to its result, epoch by epoch."""
