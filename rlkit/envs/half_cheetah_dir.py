"""cheetah-dir: run forward or backward; the agent is not told which."""

from typing import Any

import numpy as np

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.markers import Direction, Marker


class HalfCheetahDir(HalfCheetah):
    """Two tasks, backward (-1) and forward (+1), which serve for training and for testing.

    Source: katerakelly/oyster, rlkit/envs/half_cheetah_dir.py.
    """

    name = "cheetah-dir"
    has_sparse_rewards = False
    fixed_n_tasks = 2
    task_names = ("direction",)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Return the two directions, [2, 1]; nothing is drawn."""
        return np.array([[-1.0], [1.0]])

    def describe_task(self, task_id: int) -> str:
        """The wanted direction."""
        return "run forward" if self.tasks[task_id, 0] > 0 else "run backward"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The wanted direction; see `MujocoMetaEnv.marker`."""
        return Direction(float(self.tasks[task_id, 0]), 0.0)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = g v - 0.05 ‖u‖²; no sparse form, never terminated."""
        reward = task[..., 0] * outcome[..., 0] - CONTROL_COST * outcome[..., 1]
        return reward, 0 * abs(reward), reward < reward

    def speed(self, outcome: Any, task: Any) -> Any:
        """Velocity in the wanted direction."""
        return task[..., 0] * outcome[..., 0]
