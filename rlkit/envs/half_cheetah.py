"""The half-cheetah body: model, reset, observation and outcome.

Tasks and rewards are in `half_cheetah_vel` and `_dir`.
"""

from functools import cached_property

import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.mujoco_env import MujocoMetaEnv

CONTROL_COST = 0.05  # reward per squared action


class HalfCheetah(MujocoMetaEnv):
    """Two-legged runner in the vertical plane, 14 kg, 0.05 s per step.

    The observation is qpos without the forward position (8), qvel (9) and the torso's position (3),
    which
    after `mj_step` belongs to the state before the last substep. The outcome is (forward velocity
    [m/s], squared norm of the action).
    Source: gym 0.12, half_cheetah.xml; katerakelly/oyster, rlkit/envs/half_cheetah.py.
    """

    model_file = "half_cheetah.xml"
    total_mass = 14.0
    obs_dim = 20
    act_dim = 6
    outcome_dim = 2
    task_dim = 1
    max_episode_steps = 200

    @cached_property
    def _torso(self) -> int:
        return int(self.model.body("torso").id)

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.uniform(-0.1, 0.1, self.model.nq)
        return qpos, 0.1 * generator.standard_normal(self.model.nv)

    def _observe(self, lanes: Lanes) -> np.ndarray:
        simulation = self.simulation
        xpos = simulation.fields["xpos"][lanes, self._torso]
        return np.concatenate([simulation.qpos[lanes, 1:], simulation.qvel[lanes], xpos], axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.qpos[lanes, :1].copy()

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        outcome = np.empty((len(action), self.outcome_dim))
        outcome[:, :1] = (self.simulation.qpos[lanes, :1] - position_before) / self.dt
        outcome[:, 1] = (action * action).sum(axis=1)
        return outcome
