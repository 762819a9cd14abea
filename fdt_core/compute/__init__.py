"""The device and the process in which a trial trains."""
