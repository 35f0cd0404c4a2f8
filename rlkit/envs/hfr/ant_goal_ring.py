"""ant-goal-ring: run to an unknown goal on a half circle.

Only who is close to it learns how close. HFR's ant-goal.
"""

from typing import Any

import numpy as np

from rlkit.envs.ant_goal import AntGoal
from rlkit.envs.hfr.low_gear_ant import LowGearAnt
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Goal, Marker
from rlkit.envs.point_robot import distance

RING = 2.0  # distance of the goals from the start [m]
RADIUS = 0.8  # around the goal, within which the reward depends on the distance to it [m]
OFFSET = 4.0  # from which distances are subtracted


class AntGoalRing(LowGearAnt, AntGoal):
    """Goals on a half circle of 2 m; an episode ends when the torso is too low or too high.

    The outcome is the torso's x and y [m], the squared norms of the action and of the clipped
    contact forces, and the torso's height [m]; the task is the goal's x and y [m].
    Source: michaelwan11/hfr, its ant-goal environment; RussellM2020/maesn_suite (AntRandGoalRing).
    """

    name = "ant-goal-ring"
    has_sparse_rewards = True
    outcome_dim = 5

    def __init__(
        self,
        n_tasks: int,
        *,
        sparse: bool = True,
        randomize_tasks: bool = True,
        task_seed: int = 1,
        **settings: Any,
    ) -> None:
        """Place the goals and make the lanes.

        Args:
            n_tasks: number of goals, evenly spaced in angle from 0 to π.
            sparse: the reward depends on the distance only within 0.8 m of the goal; False:
                everywhere, and the former is the sparse reward.
            randomize_tasks: accepted because HFR's files may have it; the goals are shuffled either
                way.
            task_seed: seed of the generator that shuffles the goals.
            **settings: see `LowGearAnt` and `Ant`.
        Raises:
            ValueError: a value out of its range.
        """
        self.sparse = bool(sparse)
        super().__init__(n_tasks, task_seed=task_seed, **settings)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Place goals evenly on the half circle and shuffle them, [num_tasks, 2]."""
        angles = np.linspace(0.0, np.pi, num_tasks)
        goals = np.stack([RING * np.cos(angles), RING * np.sin(angles)], axis=1)
        rng.shuffle(goals)
        return goals

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = 4 - ‖p - g‖₁ within 0.8 m of g and 4 - ‖g‖₁ outside, plus what any step earns.

        Without `sparse` the former holds everywhere.

        With `sparse` the sparse reward is r. Ends outside 0.2 ≤ z ≤ 1.
        """
        dense = OFFSET - abs(outcome[..., 0] - task[..., 0]) - abs(outcome[..., 1] - task[..., 1])
        near = self.success(outcome, task)
        ring = near * dense + ~near * (OFFSET - abs(task[..., 0]) - abs(task[..., 1]))
        sparse = self.with_costs(ring, outcome)
        reward = sparse if self.sparse else self.with_costs(dense, outcome)
        return reward, sparse, self.fallen(outcome[..., 4] + 0 * task[..., 0])

    def success(self, outcome: Any, task: Any) -> Any:
        """Whether the torso is within 0.8 m of the goal."""
        return distance(outcome, task) <= RADIUS

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The goal, with the radius inside which the reward is dense; see `MujocoMetaEnv.marker`."""
        x, y = self.tasks[task_id].tolist()
        return Goal(x, y, RADIUS)

    def _progress(self, position_before: np.ndarray, lanes: Lanes) -> np.ndarray:
        return self._position(lanes)
