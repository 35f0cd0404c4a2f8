"""The half-cheetah body: model, reset, observation and outcome. Tasks and rewards are in `half_cheetah_vel` and `_dir`."""

import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.mujoco_batch import Backend
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.mujoco_model import Physics

TOTAL_MASS = 14.0  # [kg]
CONTROL_COST = 0.05  # reward per squared action


class HalfCheetah(MujocoMetaEnv):
    """Two-legged runner in the vertical plane, 14 kg, 0.05 s a step.

    The observation is qpos without the forward position (8), qvel (9) and the torso's position (3), which `mj_step` leaves at
    the state before the last substep. The outcome is (forward velocity [m/s], squared norm of the action).
    Source: gym 0.12, half_cheetah.xml; katerakelly/oyster, rlkit/envs/half_cheetah.py.
    """

    model_file = "half_cheetah.xml"
    obs_dim = 20
    act_dim = 6
    outcome_dim = 2
    task_dim = 1
    max_episode_steps = 200

    def __init__(
        self,
        n_tasks: int,
        *,
        randomize_tasks: bool = True,
        physics: Physics = "mujoco210",
        backend: Backend = "mujoco",
        task_seed: int = 1337,
        num_envs: int = 1,
        physics_threads: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            randomize_tasks: accepted because oyster's files may have it; it changes nothing here.
            physics: "mujoco210" (the inertias of the MuJoCo versions of the published results) or "native" (today's).
            backend: "mujoco" (official bindings; "batch" and "pool": by this route, with equal numbers) or "mujoco-py" (2.1.0).
            task_seed: seed of the generator that draws the task set.
            num_envs: the most lanes that can be in use.
            physics_threads: threads that step the lanes.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range.
        """
        model = self.load_model(physics, backend, total_mass=TOTAL_MASS)
        super().__init__(
            n_tasks,
            model,
            frame_skip=5,
            backend=backend,
            task_seed=task_seed,
            num_envs=num_envs,
            physics_threads=physics_threads,
            dtype=dtype,
        )
        self._torso = model.body("torso").id

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.uniform(-0.1, 0.1, self.model.nq)
        return qpos, 0.1 * generator.standard_normal(self.model.nv)

    def _observe(self, lanes: np.ndarray | slice) -> np.ndarray:
        simulation = self.simulation
        xpos = simulation.fields["xpos"][lanes, self._torso]
        return np.concatenate([simulation.qpos[lanes, 1:], simulation.qvel[lanes], xpos], axis=1)

    def _position(self) -> np.ndarray:
        return self.simulation.qpos[: self.num_lanes, :1].copy()

    def _outcome(self, position_before: np.ndarray, action: np.ndarray) -> np.ndarray:
        outcome = np.empty((self.num_lanes, self.outcome_dim))
        outcome[:, :1] = (self.simulation.qpos[: self.num_lanes, :1] - position_before) / self.dt
        outcome[:, 1] = (action * action).sum(axis=1)
        return outcome
