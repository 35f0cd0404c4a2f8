"""Meta-learning by policy gradients: MAML-TRPO, ProMP, VPG-MAML, E-MAML and RL²."""
