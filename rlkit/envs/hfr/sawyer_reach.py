"""sawyer-reach: move the gripper to an unknown goal position in the air."""

from typing import Any

import numpy as np

from rlkit.envs.hfr.sawyer import Sawyer, approach, distance3
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Ball, Marker

RADIUS = 0.05  # of the goal [m]


class SawyerReach(Sawyer):
    """Goals in a box above the table, nearer by 0.1 m in the sparse form.

    The task is the goal's x, y, z [m].

    The outcome is the middle between the finger tips, and where it was when the episode began, [6],
    in m.
    """

    name = "sawyer-reach"
    model_file = "sawyer_reach_v3.xml"
    outcome_dim = 6
    start_dim = 3

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw goals uniformly, [num_tasks, 3]; they are float32, as the original's."""
        y = (0.7, 0.8) if self.sparse else (0.8, 0.9)
        low, high = np.array([(-0.1, 0.1), y, (0.05, 0.3)], np.float32).T
        return rng.uniform(low, high, (num_tasks, 3)).astype(np.float32)

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the fingers are within 5 cm of the goal."""
        return distance3(outcome, task) <= RADIUS

    def describe_task(self, task_id: int) -> str:
        """The goal's coordinates."""
        x, y, z = self.tasks[task_id]
        return f"reach ({x:.2f}, {y:.2f}, {z:.2f}) m"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The goal; see `MujocoMetaEnv.marker`."""
        x, y, z = self.tasks[task_id].tolist()
        return Ball(x, y, z, RADIUS)

    def _dense(self, outcome: Any, task: Any) -> Any:
        """`approach` of the fingers to the goal."""
        return approach(distance3(outcome[..., :3], task), distance3(outcome[..., 3:], task))

    def _start_place(self, lanes: np.ndarray) -> np.ndarray:
        return self._finger(lanes)

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self._finger(lanes), self._starts[lanes]], axis=1)
