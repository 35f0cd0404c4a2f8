"""sawyer-push: push the puck to an unknown goal position on the table."""

from typing import Any

import numpy as np

from rlkit.envs.hfr.sawyer import Sawyer, approach, distance3
from rlkit.envs.hfr.sawyer_starts import AT_PUCK, Start
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Disc, Marker
from rlkit.envs.point_robot import distance

RADIUS = 0.07  # of the goal [m]
TOUCH = 0.05  # fingers nearer than this to the puck count as pushing it [m]


class SawyerPush(Sawyer):
    """Goals in a square on the table, far from the arm.

    The task is the goal's x, y and a z that is not used [m].

    The outcome is the middle between the finger tips (3), the puck (3), and its x and y when the
    episode began, in m.
    """

    name = "sawyer-push"
    model_file = "sawyer_push_v3.xml"
    outcome_dim = 8
    start_dim = 2

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw goals uniformly, [num_tasks, 3]; they are float32, as the original's."""
        low, high = np.array([(-0.1, 0.1), (0.8, 0.9), (0.05, 0.3)], np.float32).T
        return rng.uniform(low, high, (num_tasks, 3)).astype(np.float32)

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the puck is within 7 cm of the goal, seen from above."""
        return distance(outcome[..., 3:6], task) <= RADIUS

    def describe_task(self, task_id: int) -> str:
        """The goal's coordinates."""
        x, y, _ = self.tasks[task_id]
        return f"push the puck to ({x:.2f}, {y:.2f}) m"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The goal; see `MujocoMetaEnv.marker`."""
        x, y, _ = self.tasks[task_id].tolist()
        return Disc(x, y, RADIUS)

    def _choose_start(self) -> Start:
        return AT_PUCK if self.sparse else super()._choose_start()

    def _dense(self, outcome: Any, task: Any) -> Any:
        """-d, plus `approach` of the puck to the goal if d < 5 cm, d from fingers to puck."""
        finger, puck, start = outcome[..., :3], outcome[..., 3:6], outcome[..., 6:]
        apart = distance3(finger, puck)
        return (apart < TOUCH) * approach(distance(puck, task), distance(start, task)) - apart

    def _start_place(self, lanes: np.ndarray) -> np.ndarray:
        return self._puck(lanes)[:, :2]

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self._finger(lanes), self._puck(lanes), self._starts[lanes]], axis=1)
