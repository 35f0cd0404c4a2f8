"""cheetah-vel-sparse: run at an unknown velocity.

Only who is close to it learns how close.
"""

from typing import Any

from rlkit.envs.half_cheetah import CONTROL_COST
from rlkit.envs.half_cheetah_vel import HalfCheetahVel

RADIUS = 0.3  # error in velocity up to which there is a reward [m/s]


class HalfCheetahVelSparse(HalfCheetahVel):
    """Body and tasks of cheetah-vel, drawn from another seed.

    Standing still is rewarded where the target is below 0.3 m/s.

    Source: michaelwan11/hfr, its cheetah-vel-sparse environment.
    """

    name = "cheetah-vel-sparse"
    has_sparse_rewards = True

    def __init__(self, n_tasks: int, *, task_seed: int = 1, **settings: Any) -> None:
        """Draw the target velocities and make the lanes.

        Args:
            n_tasks: number of velocities.
            task_seed: seed of the generator that draws them.
            **settings: see `HalfCheetah`.
        Raises:
            ValueError: a value out of its range.
        """
        super().__init__(n_tasks, task_seed=task_seed, **settings)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = (2 - |v - g| if |v - g| ≤ 0.3, else 0) - 0.05 ‖u‖², which is its own sparse form.

        Never terminated.
        """
        error = self.velocity_error(outcome, task)
        reward = (error <= RADIUS) * (2 - error) - CONTROL_COST * outcome[..., 1]
        return reward, reward, reward < reward
