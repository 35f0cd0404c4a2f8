"""ant-goal: run to an unknown goal position."""

from typing import Any

import numpy as np

from rlkit.envs.ant import CONTACT_COST, Ant
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Goal, Marker

CONTROL_COST = 0.1  # reward per squared action
RADIUS = 3.0  # of the disc of goals [m]


class AntGoal(Ant):
    """Goals spread evenly over a disc of 3 m round the start; the task is the goal's x and y [m].

    The outcome is the torso's x and y [m] and the squared norms of the action and of the clipped
    contact forces.
    Source: katerakelly/oyster, rlkit/envs/ant_goal.py.
    """

    name = "ant-goal"
    has_sparse_rewards = False
    outcome_dim = 4
    task_dim = 2
    task_names = ("goal_x", "goal_y")
    camera_distance = 7.5

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw goals, [num_tasks, 2]: all angles first, then all distances."""
        angles = rng.random_sample(num_tasks) * 2 * np.pi
        distances = RADIUS * rng.random_sample(num_tasks) ** 0.5
        return np.stack([distances * np.cos(angles), distances * np.sin(angles)], axis=1)

    def describe_task(self, task_id: int) -> str:
        """The goal's coordinates."""
        x, y = self.tasks[task_id]
        return f"go to ({x:.2f}, {y:.2f}) m"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The goal; see `MujocoMetaEnv.marker`."""
        return Goal(*self.tasks[task_id].tolist())

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -|x - g_x| - |y - g_y| - 0.1 ‖u‖² - 0.0005 ‖contact‖².

        No sparse form, never terminated.
        """
        distance = abs(outcome[..., 0] - task[..., 0]) + abs(outcome[..., 1] - task[..., 1])
        reward = -distance - CONTROL_COST * outcome[..., 2] - CONTACT_COST * outcome[..., 3]
        return reward, 0 * abs(reward), reward < reward

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self._position(lanes), self._costs(action, lanes)], axis=1)
