"""The planner as a `MetaPolicy`, with actions in [-1, 1] and without adaptation."""

from collections.abc import Sequence

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.torch.execution import torch_threads
from rlkit.torch.pets.mpc import MPC


class PlanningPolicy:
    """Acts by planning, for videos and evaluations of a trained model.

    Args:
        controller: plans, in the units of the environment.
        num_threads: CPU threads of the planner.
    """

    def __init__(self, controller: MPC, num_threads: int = 1) -> None:
        self.controller, self.num_threads = controller, num_threads
        low, high = (bound.double().cpu().numpy() for bound in (controller.low, controller.high))
        self._middle, self._half_width = (low + high) / 2, (high - low) / 2

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Start trajectories, one lane per generator."""
        self.controller.start_trajectories(generators)

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Plan in every lane; `noise` is not used, since plans draw their own."""
        with torch_threads(self.num_threads):
            action = self.controller.get_actions(obs)
        scaled: np.ndarray = (action - self._middle) / self._half_width
        return scaled.astype(action.dtype)

    def reset_belief(self, num_envs: int) -> None:
        """Do nothing: there is only one task."""

    def adapt(self, paths: Paths) -> None:
        """Do nothing: there is no adaptation."""
