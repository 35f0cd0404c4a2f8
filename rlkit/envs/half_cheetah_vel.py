"""cheetah-vel: run at a velocity that is not told."""

from typing import Any

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.velocity_tasks import VelocityTasks


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
