"""Programs that do a run's work: each takes a run directory and needs nothing else."""
