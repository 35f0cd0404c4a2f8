"""A mix-in of tasks that are directions in the plane, for bodies that walk in it."""

from typing import Any

import numpy as np

from rlkit.envs.markers import Direction, Marker
from rlkit.envs.mujoco_env import MujocoMetaEnv


class DirectionTasks(MujocoMetaEnv):
    """A task is (cos θ, sin θ).

    The first two entries of an outcome are the velocity in the plane [m/s].
    """

    task_dim = 2
    task_names = ("direction_x", "direction_y")

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw directions, [num_tasks, 2]."""
        return self._directions(rng.uniform(0.0, 2.0 * np.pi, size=num_tasks))

    @staticmethod
    def _directions(angles: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def describe_task(self, task_id: int) -> str:
        """The target direction as an angle from the x axis."""
        return Direction(*self.tasks[task_id].tolist()).describe()

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The target direction; see `MujocoMetaEnv.marker`."""
        return Direction(*self.tasks[task_id].tolist())

    def speed(self, outcome: Any, task: Any) -> Any:
        """Velocity in the target direction, v · (cos θ, sin θ)."""
        return outcome[..., 0] * task[..., 0] + outcome[..., 1] * task[..., 1]
