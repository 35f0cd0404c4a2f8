"""Trajectories, and the buffers in which their transitions wait for training."""
