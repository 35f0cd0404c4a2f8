"""humanoid-dir: walk in a direction that is not told."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.direction_tasks import DirectionTasks
from rlkit.envs.humanoid import Humanoid
from rlkit.envs.mujoco_batch import Backend
from rlkit.envs.mujoco_model import Physics

SPEED_REWARD = 1.25  # reward per m/s: the published 0.25 a physics step of 0.003 s, over five of them
CONTROL_COST = 0.1  # reward per squared action


class HumanoidDir(DirectionTasks, Humanoid):
    """Directions in the plane, the task is (cos θ, sin θ); an episode ends when the torso is too low or too high.

    Source: katerakelly/oyster, rlkit/envs/humanoid_dir.py.
    """

    name = "humanoid-dir"

    def __init__(
        self,
        n_tasks: int,
        *,
        alive_bonus: float = 5.0,
        randomize_tasks: bool = True,
        contact_forces: bool = True,
        physics: Physics = "mujoco210",
        backend: Backend = "mujoco",
        task_seed: int = 1337,
        num_envs: int = 1,
        physics_threads: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the directions and make the lanes.

        Args:
            n_tasks: number of directions.
            alive_bonus: reward of each step.
            randomize_tasks: accepted because oyster's files may have it; it changes nothing here.
            contact_forces: compute cfrc_ext as MuJoCo did until 1.50; False: zero, as in mujoco-py 2.
            physics: "mujoco210" (inertias and margins of the MuJoCo versions of the published results) or "native" (today's).
            backend: "mujoco" (official bindings; "batch" and "pool": by this route, with equal numbers) or "mujoco-py" (2.1.0).
            task_seed: seed of the generator that draws the directions.
            num_envs: the most lanes that can be in use.
            physics_threads: threads that step the lanes.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range.
        """
        self.alive_bonus = float(alive_bonus)
        super().__init__(
            n_tasks,
            contact_forces=contact_forces,
            physics=physics,
            backend=backend,
            task_seed=task_seed,
            num_envs=num_envs,
            physics_threads=physics_threads,
            dtype=dtype,
        )

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = 1.25 v · (cos θ, sin θ) - 0.1 ‖u‖² - impact cost + alive bonus; no sparse form; ends outside 1 ≤ z ≤ 2."""
        speed = self.speed(outcome, task)
        reward = SPEED_REWARD * speed - CONTROL_COST * outcome[..., 2] - outcome[..., 3] + self.alive_bonus
        height = outcome[..., 4] + 0 * task[..., 0]
        return reward, 0 * abs(reward), (height < 1.0) | (height > 2.0)
