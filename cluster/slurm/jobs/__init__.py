"""What runs inside the sweep's jobs: the head, the workers, and the pool that matches them to the work."""
