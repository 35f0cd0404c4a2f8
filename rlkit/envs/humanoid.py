"""The humanoid body: model, reset, observation and outcome. Tasks and rewards are in `humanoid_dir`."""

import mujoco
import numpy as np
from numpy.typing import DTypeLike

from rlkit.envs.mujoco_batch import Backend
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.mujoco_model import Physics

IMPACT_COST = 0.5e-6  # reward per squared contact force or torque
MAX_IMPACT_COST = 10.0
DYNAMICS = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")  # the part of the observation that is not the state, in its order


class Humanoid(MujocoMetaEnv):
    """Two-legged figure, 39.6 kg (42.1 kg in native physics), 0.015 s a step.

    The observation is qpos without x and y (22), qvel (23), cinert (140), cvel (84), qfrc_actuator (23) and cfrc_ext (84), the
    rows of the world included. The outcome is the velocity of the centre of mass along x and y [m/s], the squared norm of the
    action, the impact cost and the torso's height [m].
    Source: gym 0.12, humanoid.xml; katerakelly/oyster, rlkit/envs/humanoid_dir.py.
    """

    model_file = "humanoid.xml"
    obs_dim = 376
    act_dim = 17
    outcome_dim = 5
    max_episode_steps = 200
    camera_distance = 4.0
    camera_elevation = -25.0

    def __init__(
        self,
        n_tasks: int,
        *,
        randomize_tasks: bool = True,
        contact_forces: bool = True,
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
            contact_forces: compute cfrc_ext as MuJoCo did until 1.50; False: zero, as in mujoco-py 2.
            physics: "mujoco210" (inertias and margins of the MuJoCo versions of the published results) or "native" (today's).
            backend: "mujoco" (official bindings; "batch" and "pool": by this route, with equal numbers) or "mujoco-py" (2.1.0).
            task_seed: seed of the generator that draws the task set.
            num_envs: the most lanes that can be in use.
            physics_threads: threads that step the lanes.
            dtype: of observations, outcomes, tasks and rewards.
        Raises:
            ValueError: a value out of its range.
        """
        model = self.load_model(physics, backend)
        super().__init__(
            n_tasks,
            model,
            frame_skip=5,
            fields=("xipos", *DYNAMICS),
            contact_forces=contact_forces,
            backend=backend,
            task_seed=task_seed,
            num_envs=num_envs,
            physics_threads=physics_threads,
            dtype=dtype,
        )
        self._weights = model.body_mass[:, None] / model.body_mass.sum()
        self._normalize_quaternion = physics == "mujoco210"  # MuJoCo before 3.2 normalised qpos itself, in the first forward

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.uniform(-0.01, 0.01, self.model.nq)
        if self._normalize_quaternion:
            mujoco.mj_normalizeQuat(self.model, qpos)
        return qpos, generator.uniform(-0.01, 0.01, self.model.nv)

    def _observe(self, lanes: np.ndarray | slice) -> np.ndarray:
        simulation = self.simulation
        parts = [simulation.qpos[lanes, 2:], simulation.qvel[lanes]]
        parts += [values.reshape(len(values), -1) for values in (simulation.fields[name][lanes] for name in DYNAMICS)]
        return np.concatenate(parts, axis=1)

    def _position(self) -> np.ndarray:
        """Centre of mass along x and y as `mj_step` leaves the bodies: of its last stage, not of the state after it."""
        return (self._weights * self.simulation.fields["xipos"][: self.num_lanes, :, :2]).sum(axis=1)

    def _outcome(self, position_before: np.ndarray, action: np.ndarray) -> np.ndarray:
        velocity = (self._position() - position_before) / self.dt
        forces = self.simulation.fields["cfrc_ext"][: self.num_lanes]
        impact = np.minimum(IMPACT_COST * (forces * forces).reshape(len(forces), -1).sum(axis=1), MAX_IMPACT_COST)
        height = self.simulation.qpos[: self.num_lanes, 2]
        return np.concatenate([velocity, np.stack([(action * action).sum(axis=1), impact, height], axis=1)], axis=1)
