"""The humanoid body: model, reset, observation and outcome.

Tasks and rewards are in `humanoid_dir`.
"""

from typing import Any

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv

IMPACT_COST = 0.5e-6  # reward per squared contact force or torque
MAX_IMPACT_COST = 10.0
DYNAMICS = (
    "cinert",
    "cvel",
    "qfrc_actuator",
    "cfrc_ext",
)  # the part of the observation that is not the state, in its order


class Humanoid(MujocoMetaEnv):
    """Two-legged humanoid, 39.6 kg (42.1 kg in native physics), 0.015 s per step.

    The observation is qpos without x and y (22), qvel (23), cinert (140), cvel (84), qfrc_actuator
    (23) and cfrc_ext (84), including the rows of the world. The outcome is the velocity of the
    centre of mass along x and y [m/s], the squared norm of the action, the impact cost and the
    torso's height [m].
    Source: gym 0.12, humanoid.xml; katerakelly/oyster, rlkit/envs/humanoid_dir.py.
    """

    model_file = "humanoid.xml"
    obs_dim = 376
    act_dim = 17
    outcome_dim = 5
    max_episode_steps = 200
    fields = ("xipos", *DYNAMICS)
    camera_distance = 4.0
    camera_elevation = -25.0

    def __init__(self, n_tasks: int, *, contact_forces: bool = True, **settings: Any) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            contact_forces: compute cfrc_ext as MuJoCo did until 1.50; False: zero, as in mujoco-py
                2.
            **settings: see `MujocoMetaEnv`.
        Raises:
            ValueError: a value is out of range.
        """
        self.contact_forces = contact_forces
        super().__init__(n_tasks, **settings)
        self._weights = self.model.body_mass[:, None] / self.model.body_mass.sum()

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.uniform(-0.01, 0.01, self.model.nq)
        if (
            self.physics == "mujoco210"
        ):  # MuJoCo before 3.2 normalised qpos itself, in the first forward
            mujoco.mj_normalizeQuat(self.model, qpos)
        return qpos, generator.uniform(-0.01, 0.01, self.model.nv)

    def _observe(self, lanes: Lanes) -> np.ndarray:
        simulation = self.simulation
        parts = [simulation.qpos[lanes, 2:], simulation.qvel[lanes]]
        parts += [
            values.reshape(len(values), -1)
            for values in (simulation.fields[name][lanes] for name in DYNAMICS)
        ]
        return np.concatenate(parts, axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        """x and y of the centre of mass as `mj_step` leaves them: from its last stage."""
        return (self._weights * self.simulation.fields["xipos"][lanes, :, :2]).sum(axis=1)

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        velocity = (self._position(lanes) - position_before) / self.dt
        forces = self.simulation.fields["cfrc_ext"][lanes]
        impact = np.minimum(
            IMPACT_COST * (forces * forces).reshape(len(forces), -1).sum(axis=1), MAX_IMPACT_COST
        )
        height = self.simulation.qpos[lanes, 2]
        return np.concatenate(
            [velocity, np.stack([(action * action).sum(axis=1), impact, height], axis=1)], axis=1
        )
