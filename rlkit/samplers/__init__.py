"""From a policy and a batched environment to whole trajectories."""
