"""The sweep on Ray Tune: the driver, what Tune calls, and every workaround for it."""
