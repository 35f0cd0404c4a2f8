"""four-corners: a point looks for its goal among four corners.

A costly detour identifies the corner.
"""

from typing import Any

import numpy as np

from rlkit.envs.point_robot import PointRobot, distance

CORNERS = ((-1, -1), (1, 1), (1, -1), (-1, 1))
PENALTY_SQUARE = (
    0.1,
    0.5,
)  # of both coordinates, measured towards the corner; borders excluded


class FourCorners(PointRobot):
    """Four goals, the corners (±1, ±1), used for both training and testing.

    An episode starts at the centre and ends at the goal.

    Every step inside a square on the way to the goal costs 3 instead of 1, so crossing it lowers
    the return but identifies the task. The outcome is the position (x, y) after the step, the
    task is the corner, both dimensionless. `n_tasks` must be 4; `randomize_tasks` and
    `task_seed` have no effect.
    Source: michaelwan11/hfr, its four-corners environment.
    """

    name = "four-corners"
    has_sparse_rewards = True
    fixed_n_tasks = 4
    goal_radius: float = 0.2

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Return the corners, [4, 2]; nothing is drawn."""
        return np.array(CORNERS, np.float64)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = 0 within the goal's radius, which ends the episode.

        Otherwise -3 inside the penalty square and -1 outside. The sparse reward is r.
        """
        low, high = PENALTY_SQUARE
        towards = outcome * task  # a corner's coordinates are ±1
        inside = (towards > low) & (towards < high)
        reached = self.success(outcome, task)
        one = 1 + 0 * towards[..., 0]  # has the outcome's type
        reward = 0 - ~reached * one - (inside[..., 0] & inside[..., 1]) * (2 * one)
        return reward, reward, reached

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the point is within the goal's radius."""
        return distance(outcome, task) <= self.goal_radius

    def describe_task(self, task_id: int) -> str:
        """The corner's coordinates."""
        x, y = self.tasks[task_id]
        return f"go to ({x:+.0f}, {y:+.0f})"

    def _start(self, generator: np.random.Generator) -> np.ndarray:
        return np.zeros(2)
