"""Where the jobs of a comparison or a sweep run: in this process, on a Ray cluster, or on Slurm."""
