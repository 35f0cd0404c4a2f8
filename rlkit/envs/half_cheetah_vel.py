"""cheetah-vel: run at an unknown velocity; and the same tasks for other bodies."""

from typing import Any

import numpy as np

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.markers import Marker, Pace
from rlkit.envs.mujoco_env import MujocoMetaEnv


class VelocityTasks(MujocoMetaEnv):
    """A task is a velocity along x [m/s]; the first number of an outcome is the body's."""

    task_dim = 1
    task_names = ("velocity",)
    slowest, fastest = 0.0, 3.0  # of the wanted velocities [m/s]

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw wanted velocities uniformly, [num_tasks, 1], in m/s."""
        return rng.uniform(self.slowest, self.fastest, size=(num_tasks, 1))

    def describe_task(self, task_id: int) -> str:
        """The wanted velocity."""
        return f"run at {self.tasks[task_id, 0]:.2f} m/s"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The wanted velocity, and a runner that keeps to it; see `MujocoMetaEnv.marker`."""
        velocity = float(self.tasks[task_id, 0])
        return Pace(velocity, None if start is None else float(start[0]) + velocity * elapsed)

    def speed(self, outcome: Any, task: Any) -> Any:
        """Forward velocity, which the task sets a target for."""
        return outcome[..., 0] + 0 * task[..., 0]

    @staticmethod
    def velocity_error(outcome: Any, task: Any) -> Any:
        """How far the velocity is from the wanted one [m/s]."""
        return abs(outcome[..., 0] - task[..., 0])


class HalfCheetahVel(VelocityTasks, HalfCheetah):
    """Target velocities between 0 and 3 m/s; the task is the velocity.

    Source: katerakelly/oyster, rlkit/envs/half_cheetah_vel.py (its text says up to 2 m/s, its code
    draws up to 3).
    """

    name = "cheetah-vel"
    has_sparse_rewards = False

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -|v - g| - 0.05 ‖u‖²; no sparse form, never terminated."""
        reward = -self.velocity_error(outcome, task) - CONTROL_COST * outcome[..., 1]
        return reward, 0 * abs(reward), reward < reward
