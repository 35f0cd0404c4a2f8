"""ant-dir: run in an unknown direction."""

from typing import Any

import numpy as np

from rlkit.envs.ant import CONTACT_COST, Ant
from rlkit.envs.direction_tasks import DirectionTasks
from rlkit.envs.lanes import Lanes

CONTROL_COST = 0.5  # reward per squared action


class AntDir(DirectionTasks, Ant):
    """Directions in the plane, or forward and backward only.

    An episode ends when the torso is too low or too high.

    The observation is qpos without x and y (13) and qvel (14). The outcome is the torso's velocity
    along x and y [m/s], the squared norms of the action and of the clipped contact forces, and the
    torso's height [m]. The task is (cos θ, sin θ).
    Source: katerakelly/oyster, rlkit/envs/ant_dir.py.
    """

    name = "ant-dir"
    has_sparse_rewards = False
    obs_dim = 27
    outcome_dim = 5

    def __init__(
        self,
        n_tasks: int,
        *,
        forward_backward: bool = False,
        alive_bonus: float = 1.0,
        **settings: Any,
    ) -> None:
        """Draw the directions and make the lanes.

        Args:
            n_tasks: number of directions; with `forward_backward` it must be 2.
            forward_backward: the directions are θ = 0 and θ = π; False: θ is drawn uniformly from
                [0, 2π).
            alive_bonus: reward of each step.
            **settings: see `Ant`.
        Raises:
            ValueError: a value out of its range, or `forward_backward` with another number of tasks
                than 2.
        """
        self.forward_backward = bool(forward_backward)
        self.alive_bonus = float(alive_bonus)
        super().__init__(n_tasks, **settings)

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw directions, [num_tasks, 2]; with `forward_backward` return the two."""
        if self.forward_backward and num_tasks != 2:
            raise ValueError(
                f"n_tasks is {num_tasks}, but {self.name} with forward_backward has exactly 2 "
                "tasks; "
                "set forward_backward to false for more directions"
            )
        return (
            self._directions(np.array([0.0, np.pi]))
            if self.forward_backward
            else super().sample_tasks(rng, num_tasks)
        )

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = v · (cos θ, sin θ) - 0.5 ‖u‖² - 0.0005 ‖contact‖² + alive bonus.

        No sparse form; ends outside 0.2 ≤ z ≤ 1.
        """
        speed = self.speed(outcome, task)
        reward = (
            speed
            - CONTROL_COST * outcome[..., 2]
            - CONTACT_COST * outcome[..., 3]
            + self.alive_bonus
        )
        return reward, 0 * abs(reward), self.fallen(outcome[..., 4] + 0 * task[..., 0])

    def _observe(self, lanes: Lanes) -> np.ndarray:
        return np.concatenate(
            [self.simulation.qpos[lanes, 2:], self.simulation.qvel[lanes]], axis=1
        )

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        velocity = (self._position(lanes) - position_before) / self.dt
        height = self.simulation.qpos[lanes, 2:3]
        return np.concatenate([velocity, self._costs(action, lanes), height], axis=1)
