"""Where compute comes from: cluster profiles, this machine, its devices, hardened Ray nodes, Slurm through submitit.

This package knows nothing of trials. A sweep on Slurm is one head job (`slurm.jobs.head_job`, which runs the driver)
and worker jobs (`slurm.jobs.worker_job`, each a Ray node). They communicate through files alone (`slurm.files`): any of
them may die, start late or be restarted.
"""
