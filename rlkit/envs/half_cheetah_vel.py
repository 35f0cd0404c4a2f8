"""cheetah-vel: run at a velocity that is not told."""

from typing import Any

import numpy as np

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.markers import Marker, Pace


class HalfCheetahVel(HalfCheetah):
    """Target velocities between 0 and 3 m/s; the task is the velocity.

    Source: katerakelly/oyster, rlkit/envs/half_cheetah_vel.py (its text says up to 2 m/s, its code draws up to 3).
    """

    name = "cheetah-vel"

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw target velocities uniformly, [num_tasks, 1], in m/s."""
        return rng.uniform(0.0, 3.0, size=(num_tasks, 1))

    def describe_task(self, task_id: int) -> str:
        """The wanted velocity."""
        return f"run at {self.tasks[task_id, 0]:.2f} m/s"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The wanted velocity, and a runner that keeps to it; see `MujocoMetaEnv.marker`."""
        velocity = float(self.tasks[task_id, 0])
        return Pace(velocity, None if start is None else float(start[0]) + velocity * elapsed)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -|v - g| - 0.05 ‖u‖²; no sparse form, never terminated."""
        reward = -abs(outcome[..., 0] - task[..., 0]) - CONTROL_COST * outcome[..., 1]
        return reward, 0 * abs(reward), reward < reward

    def speed(self, outcome: Any, task: Any) -> Any:
        """Velocity forwards; the task tells which one is wanted."""
        return outcome[..., 0] + 0 * task[..., 0]
