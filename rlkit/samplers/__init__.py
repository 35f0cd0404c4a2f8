"""Samplers: collect whole trajectories with a policy in a batched environment."""
