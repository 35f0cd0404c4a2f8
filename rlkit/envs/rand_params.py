"""Task distributions over the dynamics of one body: each lane has its own model."""

from typing import Any, ClassVar

import mujoco
import numpy as np

from rand_param_envs import RandomEnv
from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.mujoco_pool import Backend


class RandParamsEnv(MujocoMetaEnv):
    """Forward speed under unknown dynamics.

    A task is the factors of masses, inertias, dampings and frictions.

    The observation is qpos without x, and qvel clipped to ±10. For the outcome see
    `RandomEnv.outcome`; the reward is the same for all tasks. What a lane runs on is the base model
    times the task's factors, rounded to `dtype`.
    """

    random_env_class: ClassVar[type[RandomEnv]]
    relabelable = False
    has_sparse_rewards = False
    outcome_dim = 5
    max_episode_steps = 200
    frame_skip, timestep = RandomEnv.frame_skip, RandomEnv.timestep
    fields = ()

    def __init__(
        self,
        n_tasks: int,
        *,
        alive_bonus: float = 1.0,
        log_scale_limit: float = 3.0,
        recompute_constants: bool = False,
        **settings: Any,
    ) -> None:
        """Draw the dynamics and make the lanes.

        Args:
            n_tasks: number of dynamics.
            alive_bonus: reward of each step.
            log_scale_limit: c in the factors b^U(-c, c), b 1.5 (1.3 for dampings).
            recompute_constants: let MuJoCo's derived constants follow the task's values; False: as
                published, those of the base model stay.
            **settings: see `MujocoMetaEnv`.
        Raises:
            ValueError: a value out of its range.
        """
        self.alive_bonus = float(alive_bonus)
        self._limits: dict[str, Any] = {
            "log_scale_limit": log_scale_limit,
            "recompute_constants": recompute_constants,
        }
        super().__init__(n_tasks, **settings)

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        model = super()._make_model(backend)
        self.random_env = self.random_env_class(model, **self._limits)  # it draws the tasks
        fields = self.random_env.base_params.items()
        self.task_names = tuple(f"{name}_{i}" for name, base in fields for i in range(base.size))
        return model

    def sample_tasks(self, rng: np.random.RandomState, num_tasks: int) -> np.ndarray:
        """Draw factors, [num_tasks, task_dim].

        Their order is that of `RandomEnv.sample_factors`.
        """
        return self.random_env.sample_factors(rng, num_tasks)

    def describe_task(self, task_id: int) -> str:
        """The body's mass, also as a share of the base model's.

        The other factors are too many for a caption.
        """
        masses = self.random_env.scaled(self.tasks[task_id].astype(np.float64))["body_mass"]
        base = self.random_env.base_params["body_mass"]
        return f"{masses.sum():.1f} kg, {masses.sum() / base.sum():.0%} of the base model"

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = v + alive bonus - 0.001 ‖u‖², the same for every task.

        No sparse form; ends when the body is no longer `healthy`.
        """
        nothing = 0 * task[..., 0]  # gives the result the task's leading axes
        reward = self.random_env.reward(outcome, self.alive_bonus) + nothing
        return reward, 0 * abs(reward), ~self.random_env.healthy(outcome) | (nothing != 0)

    def speed(self, outcome: Any, task: Any) -> Any:
        """Velocity forwards."""
        return outcome[..., 0] + 0 * task[..., 0]

    def _select_tasks(self, lanes: np.ndarray) -> None:
        values = self.random_env.scaled(self._lane_tasks[lanes].astype(np.float64))
        self.simulation.set_model_fields(
            lanes, values, recompute_constants=self.random_env.recompute_constants
        )

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return self.random_env.draw_start(generator)

    def _observe(self, lanes: Lanes) -> np.ndarray:
        return self.random_env.observe(self.simulation.qpos[lanes], self.simulation.qvel[lanes])

    def _position(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.qpos[lanes, 0].copy()

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        qpos, qvel = self.simulation.qpos[lanes], self.simulation.qvel[lanes]
        return self.random_env.outcome(
            (self._position(lanes) - position_before) / self.dt, action, qpos, qvel
        )
