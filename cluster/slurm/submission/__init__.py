"""How a job is submitted through submitit."""
