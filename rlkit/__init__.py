"""Meta-reinforcement learning with PEARL and its relatives, batched over tasks and trajectories."""

__version__ = "0.1.0"
