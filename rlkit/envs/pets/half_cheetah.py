"""pets-halfcheetah: run forward as fast as possible, as defined in PETS."""

from typing import Any

import numpy as np

from rlkit.envs.elementwise import cosine, sine
from rlkit.envs.half_cheetah_run import HalfCheetahRun
from rlkit.envs.pets.base import PetsEnv


class PetsHalfCheetah(HalfCheetahRun, PetsEnv):
    """cheetah-run with a longer episode, a start almost at rest and a higher control cost.

    Observation and outcome are those of `HalfCheetahRun`. The model predicts the forward velocity
    itself and the change of everything else; the velocity is not an input.
    Source: kchua/handful-of-trials, dmbrl/env/half_cheetah.py.
    """

    name = "pets-halfcheetah"
    frame_skip = 5
    max_episode_steps = 1000
    control_cost = 0.1

    def obs_preproc(self, obs: Any) -> tuple[Any, ...]:
        """Height, sine and cosine of the torso's angle, and the rest, without the velocity."""
        angle = obs[..., 2:3]
        return obs[..., 1:2], sine(angle), cosine(angle), obs[..., 3:]

    def targ_proc(self, obs: Any, next_obs: Any) -> tuple[Any, ...]:
        """The forward velocity after the step, and the change of everything else."""
        return next_obs[..., :1], next_obs[..., 1:] - obs[..., 1:]

    def obs_postproc(self, obs: Any, prediction: Any) -> tuple[Any, ...]:
        """The next observation; inverse of `targ_proc`."""
        return prediction[..., :1], obs[..., 1:] + prediction[..., 1:]

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.normal(0.0, 0.001, self.model.nq)
        return qpos, generator.normal(0.0, 0.001, self.model.nv)
