"""humanoid-dir: walk in an unknown direction."""

from typing import Any

from rlkit.envs.direction_tasks import DirectionTasks
from rlkit.envs.humanoid import Humanoid

SPEED_REWARD = (
    1.25  # reward per m/s: the published 0.25 a physics step of 0.003 s, over five of them
)
CONTROL_COST = 0.1  # reward per squared action


class HumanoidDir(DirectionTasks, Humanoid):
    """Directions in the plane, the task is (cos θ, sin θ).

    An episode ends when the torso is too low or too high.

    Source: katerakelly/oyster, rlkit/envs/humanoid_dir.py.
    """

    name = "humanoid-dir"
    has_sparse_rewards = False

    def __init__(self, n_tasks: int, *, alive_bonus: float = 5.0, **settings: Any) -> None:
        """Draw the directions and make the lanes.

        Args:
            n_tasks: number of directions.
            alive_bonus: reward of each step.
            **settings: see `Humanoid`.
        Raises:
            ValueError: a value out of its range.
        """
        self.alive_bonus = float(alive_bonus)
        super().__init__(n_tasks, **settings)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = 1.25 v · (cos θ, sin θ) - 0.1 ‖u‖² - impact cost + alive bonus.

        No sparse form; ends outside 1 ≤ z ≤ 2.
        """
        speed = self.speed(outcome, task)
        reward = (
            SPEED_REWARD * speed
            - CONTROL_COST * outcome[..., 2]
            - outcome[..., 3]
            + self.alive_bonus
        )
        height = outcome[..., 4] + 0 * task[..., 0]
        return reward, 0 * abs(reward), (height < 1.0) | (height > 2.0)
