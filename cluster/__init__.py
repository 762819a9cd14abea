"""Where compute comes from: cluster profiles, this machine, Slurm through submitit, hardened Ray nodes.

Knows no trials. What the orchestrator uses:

    profile.load_profile            a cluster profile by name or path
    ray_node.local_ray              a Ray of this machine alone, in this process
    head.open_head                  Ray's head of a Slurm sweep, in the driver's process
    ray_node.node_resources         what one node of a profile offers
    drain                           the flag that tells trials to save and leave
    submission.submit_sweep         submits the jobs of a launch; submission.scripts shows them
    slurm_files.SlurmFiles          what head, workers and launch tell each other, as files in the run directory
    sweep_jobs                      a sweep's own jobs in the queue; cancel_sweep

A sweep on Slurm is one head job (`head_job.run_head`, which runs the driver) and worker jobs (`worker_job.run_worker`,
each a Ray node). They meet through files alone: any of them may die, come late or come back.
"""
