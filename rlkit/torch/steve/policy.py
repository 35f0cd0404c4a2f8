"""The policy that acts, greedily or with exploration noise."""

from collections.abc import Sequence

import numpy as np
import torch

from rlkit.data_management.paths import Paths
from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.steve.value_learner import pre_tanh


class GreedyPolicy:
    """a = tanh pi(s), for evaluations, videos and trained agents; no adaptation."""

    def __init__(self, network: EnsembleMlp) -> None:
        self.network = network

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Do nothing: the policy has no state per trajectory."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Act in every lane; `noise` is not used, since only training explores."""
        return np.tanh(self.outputs(obs))

    @torch.no_grad()
    def outputs(self, obs: np.ndarray) -> np.ndarray:
        """Network outputs before the tanh, float32 [num_lanes, act_dim]."""
        device = next(self.network.parameters()).device
        rows = torch.as_tensor(obs, dtype=torch.float32, device=device)
        found: np.ndarray = pre_tanh(self.network, rows).cpu().numpy()
        return found

    def reset_belief(self, num_envs: int) -> None:
        """Do nothing: there is only one task."""

    def adapt(self, paths: Paths) -> None:
        """Do nothing: there is no adaptation."""


def explore(outputs: np.ndarray, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """Add noise to each dimension of the actions, independently with probability `epsilon`.

    tanh(z) is replaced by tanh(z + n) with n ~ N(0, 1).

    Args:
        outputs: z, [num_lanes, act_dim].
        epsilon: probability of noise.
        generator: source of the noise; advances equally for any `epsilon`.
    """
    chosen = generator.random(outputs.shape) < epsilon
    noise = generator.standard_normal(outputs.shape)
    return np.tanh(np.where(chosen, outputs + noise, outputs)).astype(np.float32)
