"""What samplers and evaluation ask of something that acts."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rlkit.data_management.paths import Paths


class Policy(Protocol):
    """Acts in many environments at once."""

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Draw what the policy fixes for a whole trajectory (PEARL: z), one generator per lane."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Map obs [num_envs, obs_dim] and standard normal noise [num_envs, act_dim] (None: deterministic) to actions
        [num_envs, act_dim] in [-1, 1]."""


class MetaPolicy(Policy, Protocol):
    """A policy that learns about its task from the trajectories it is shown."""

    def reset_belief(self, num_envs: int) -> None:
        """Forget everything: `num_envs` lanes begin, each with a task it knows nothing of."""

    def adapt(self, paths: Paths) -> None:
        """Take in one finished trajectory per lane, [num_envs] paths; a path of length 0 carries nothing."""
