"""The ant body: model, reset, contact forces, observation.

Tasks and rewards are in `ant_dir`, `ant_goal` and `hfr`.
"""

from functools import cached_property
from typing import Any

import mujoco
import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv
from rlkit.envs.mujoco_pool import Backend

LOW_GEAR = 30.0  # the file's gear is 150
CONTACT_COST = 0.5e-3  # reward per squared contact force or torque, each clipped to ±1
NUM_CONTACT_FORCES = 84  # 14 bodies, the world included, with a torque and a force each


class Ant(MujocoMetaEnv):
    """Four-legged runner, 0.88 kg (0.91 kg in native physics), 0.05 s a step.

    Subclasses write `_outcome`.

    The observation is qpos (15), qvel (14) and cfrc_ext clipped to ±1 (84).
    Source: gym 0.12, ant.xml; katerakelly/oyster, rlkit/envs/ant.py and ant_multitask_base.py.
    """

    model_file = "ant.xml"
    obs_dim = 113
    act_dim = 8
    max_episode_steps = 200
    fields = ("xpos", "cfrc_ext")
    camera_distance = 5.0
    camera_elevation = -40.0

    def __init__(
        self,
        n_tasks: int,
        *,
        use_low_gear_ratio: bool = False,
        contact_forces: bool = True,
        **settings: Any,
    ) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            use_low_gear_ratio: motors of gear 30 instead of 150.
            contact_forces: compute cfrc_ext as MuJoCo did until 1.50; False: zero, as in mujoco-py
                2.
            **settings: see `MujocoMetaEnv`.
        Raises:
            ValueError: a value out of its range.
        """
        self._low_gear = use_low_gear_ratio
        self.contact_forces = contact_forces
        super().__init__(n_tasks, **settings)

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        model = super()._make_model(backend)
        if self._low_gear:
            model.actuator_gear[:, 0] = LOW_GEAR
            mujoco.mj_setConst(
                model, mujoco.MjData(model)
            )  # the motors' greatest acceleration follows
        return model

    @cached_property
    def _torso(self) -> int:
        return int(self.model.body("torso").id)

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.uniform(-0.1, 0.1, self.model.nq)
        if (
            self.physics == "mujoco210"
        ):  # MuJoCo before 3.2 normalised qpos itself, in the first forward
            mujoco.mj_normalizeQuat(self.model, qpos)
        return qpos, 0.1 * generator.standard_normal(self.model.nv)

    @staticmethod
    def fallen(height: Any) -> Any:
        """Whether the torso is too low or too high [m], which ends an episode of some tasks.

        NaN counts as such.
        """
        return ~((height >= 0.2) & (height <= 1.0))

    def _observe(self, lanes: Lanes) -> np.ndarray:
        simulation = self.simulation
        return np.concatenate(
            [simulation.qpos[lanes], simulation.qvel[lanes], self._clipped_forces(lanes)], axis=1
        )

    def _position(self, lanes: Lanes) -> np.ndarray:
        """x and y of the torso as `mj_step` leaves them: those of its last stage."""
        return self.simulation.fields["xpos"][lanes, self._torso, :2].copy()

    def _clipped_forces(self, lanes: Lanes) -> np.ndarray:
        """Torque and force of contacts on each body, the world included, clipped to ±1; [n, 84]."""
        forces = self.simulation.fields["cfrc_ext"][lanes]
        return np.clip(forces, -1, 1).reshape(len(forces), NUM_CONTACT_FORCES)

    def _costs(self, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        """Squared norms of the action and of the clipped contact forces, [num_lanes, 2]."""
        forces = self._clipped_forces(lanes)
        return np.stack([(action * action).sum(axis=1), (forces * forces).sum(axis=1)], axis=1)
