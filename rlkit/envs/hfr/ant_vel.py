"""ant-vel and ant-vel-sparse: run along x at an unknown velocity."""

from typing import Any

import numpy as np

from rlkit.envs.half_cheetah_vel import VelocityTasks
from rlkit.envs.hfr.low_gear_ant import LowGearAnt
from rlkit.envs.lanes import Lanes

RADIUS = 0.5  # error in velocity below which ant-vel-sparse gives its bonus [m/s]


class AntVel(VelocityTasks, LowGearAnt):
    """Target velocities between 0 and 3 m/s; an episode ends when the torso is too low or too high.

    The outcome is the torso's velocity along x [m/s], the squared norms of the action and of the
    clipped contact forces, and the torso's height [m]; the task is the velocity.
    Source: michaelwan11/hfr, its ant-vel environment.
    """

    name = "ant-vel"
    has_sparse_rewards = False
    outcome_dim = 4

    def __init__(self, n_tasks: int, *, task_seed: int = 3, **settings: Any) -> None:
        """Draw the target velocities and make the lanes.

        Args:
            n_tasks: number of velocities.
            task_seed: seed of the generator that draws them.
            **settings: see `LowGearAnt` and `Ant`.
        Raises:
            ValueError: a value out of its range.
        """
        super().__init__(n_tasks, task_seed=task_seed, **settings)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = 1 - |v - g|, plus what any step earns; no sparse form; ends outside 0.2 ≤ z ≤ 1."""
        error = self.velocity_error(outcome, task)
        return (
            self.with_costs(1 - error, outcome),
            0 * error,
            self.fallen(outcome[..., 3] + 0 * task[..., 0]),
        )

    def _progress(self, position_before: np.ndarray, lanes: Lanes) -> np.ndarray:
        return (self._position(lanes) - position_before)[:, :1] / self.dt


class AntVelSparse(AntVel):
    """Target velocities between -1.5 and 1.5 m/s; a bonus of 1 for an error below 0.5 m/s.

    Source: michaelwan11/hfr, its ant-vel-sparse environment.
    """

    name = "ant-vel-sparse"
    has_sparse_rewards = True
    slowest, fastest = -1.5, 1.5

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -|v - g| (+ 1 if |v - g| < 0.5), plus what any step earns.

        Its own sparse form; ends outside 0.2 ≤ z ≤ 1.
        """
        error = self.velocity_error(outcome, task)
        one = 1 + 0 * error  # gives the bonus the outcome's type
        reward = self.with_costs((error < RADIUS) * one - error, outcome)
        return reward, reward, self.fallen(outcome[..., 3] + 0 * task[..., 0])
