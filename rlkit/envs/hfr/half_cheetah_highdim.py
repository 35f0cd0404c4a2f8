"""cheetah-highdim: a task weights every coordinate of the half-cheetah's state."""

from pathlib import Path
from typing import Any

import numpy as np

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.lanes import Lanes

NUM_COORDINATES = 18
NORMALIZER = Path(__file__).with_suffix(".txt")


class HalfCheetahHighDim(HalfCheetah):
    """Weights of 18 coordinates, each between -1 and 1; the task is the weights.

    The observation is qpos (9, with the forward position) and qvel (9). The outcome is the
    state after the step, normalised with the means and standard deviations in
    `half_cheetah_highdim.txt`, and the squared norm of the action.
    Source: michaelwan11/hfr, its cheetah-highdim environment; LinZichuan/AdMRL (the means and
    deviations).
    """

    name = "cheetah-highdim"
    has_sparse_rewards = False
    obs_dim = NUM_COORDINATES
    outcome_dim = NUM_COORDINATES + 1
    task_dim = NUM_COORDINATES
    task_names = tuple(f"weight_{j}" for j in range(NUM_COORDINATES))

    def __init__(self, n_tasks: int, *, task_seed: int = 1, **settings: Any) -> None:
        """Draw the weights and make the lanes.

        Args:
            n_tasks: number of tasks.
            task_seed: seed of the generator that draws the weights.
            **settings: see `HalfCheetah`.
        Raises:
            ValueError: a value is out of range.
        """
        published = np.loadtxt(NORMALIZER, dtype=np.float32, usecols=(1, 2), unpack=True)
        self._means, self._deviations = published.astype(np.float64)
        super().__init__(n_tasks, task_seed=task_seed, **settings)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw weights uniformly, [num_tasks, 18], task by task."""
        return rng.uniform(-1.0, 1.0, size=(num_tasks, NUM_COORDINATES))

    def describe_task(self, task_id: int) -> str:
        """The weights of the forward position, which dominates the return, and of its velocity."""
        weights = self.tasks[task_id]
        return f"x weighs {weights[0]:+.2f}, its velocity {weights[9]:+.2f}"

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = Σ_j w_j (s_j - mean_j) / deviation_j - 0.05 ‖u‖², s the state after the step.

        No sparse form, never terminated.
        """
        weighed = outcome[..., :NUM_COORDINATES] * task
        # Summed in a fixed order, independent of library and batch size, so that results are
        # identical.
        weighed = weighed[..., :9] + weighed[..., 9:]
        weighed = weighed[..., :3] + weighed[..., 3:6] + weighed[..., 6:]
        reward = (
            weighed[..., 0]
            + weighed[..., 1]
            + weighed[..., 2]
            - CONTROL_COST * outcome[..., NUM_COORDINATES]
        )
        return reward, 0 * abs(reward), reward < reward

    def normalize(self, state: np.ndarray) -> np.ndarray:
        """Coordinates minus means, divided by standard deviations, [..., 18]."""
        return (state - self._means) / self._deviations

    def _observe(self, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self.simulation.qpos[lanes], self.simulation.qvel[lanes]], axis=1)

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        state = self.normalize(self._observe(lanes))
        return np.concatenate([state, (action * action).sum(axis=1, keepdims=True)], axis=1)
