"""The policy as something that acts: greedily, or exploring."""

from collections.abc import Sequence

import numpy as np
import torch

from rlkit.data_management.paths import Paths
from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.steve.value_learner import pre_tanh


class GreedyPolicy:
    """a = tanh pi(s), for evaluations, films and trained agents; there is nothing to adapt to."""

    def __init__(self, network: EnsembleMlp) -> None:
        self.network = network

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Nothing is drawn for a trajectory."""

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Act in every lane; `noise` is not used, since exploration is of training only."""
        return np.tanh(self.outputs(obs))

    @torch.no_grad()
    def outputs(self, obs: np.ndarray) -> np.ndarray:
        """What the network gives before the tanh, float32 [num_lanes, act_dim]."""
        device = next(self.network.parameters()).device
        rows = torch.as_tensor(obs, dtype=torch.float32, device=device)
        found: np.ndarray = pre_tanh(self.network, rows).cpu().numpy()
        return found

    def reset_belief(self, num_envs: int) -> None:
        """Nothing is believed of a task: there is one."""

    def adapt(self, paths: Paths) -> None:
        """Nothing is learned outside of training."""


def explore(outputs: np.ndarray, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """Add noise to some dimensions of an action, each on its own with probability `epsilon`.

    tanh(z + n) with n ~ N(0, 1) takes the place of tanh(z).

    Args:
        outputs: z, [num_lanes, act_dim].
        epsilon: 0 never adds any.
        generator: takes as many numbers whatever `epsilon` is.
    """
    chosen = generator.random(outputs.shape) < epsilon
    noise = generator.standard_normal(outputs.shape)
    return np.tanh(np.where(chosen, outputs + noise, outputs)).astype(np.float32)
