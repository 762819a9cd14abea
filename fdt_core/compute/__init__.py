"""The device and the process that a training runs in."""
