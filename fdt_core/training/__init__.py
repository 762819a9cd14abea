"""Training a trial, from its specification to its result, epoch by epoch."""
