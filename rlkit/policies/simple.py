"""Policies without parameters."""

from collections.abc import Sequence

import numpy as np

from rlkit.data_management.paths import Paths


class RandomPolicy:
    """Uniform actions in [-1, 1], each trajectory's from its own generator; never adapts."""

    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim
        self.generators: list[np.random.Generator] = []

    def reset_belief(self, num_envs: int) -> None:
        """Do nothing: there is no belief."""

    def adapt(self, paths: Paths) -> None:
        """Do nothing: there is no belief."""

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Keep the generators of the lanes' trajectories."""
        self.generators = list(generators)

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Draw actions [num_envs, act_dim]; obs and noise are not used."""
        return np.stack([g.uniform(-1.0, 1.0, self.act_dim) for g in self.generators])
