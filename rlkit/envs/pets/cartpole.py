"""pets-cartpole: swing up a pole that hangs from a cart."""

import math
from typing import Any

import mujoco
import numpy as np

from rlkit.envs.elementwise import cosine, sine
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Ball, Marker
from rlkit.envs.mujoco_pool import Backend
from rlkit.envs.pets.base import PetsEnv
from rlkit.envs.pets.scenery import add_scenery

LENGTH = 0.6  # of the pole [m]
CONTROL_COST = 0.01  # reward per squared action


class PetsCartpole(PetsEnv):
    """The pole's tip has to stay 0.6 m above the middle of the rail.

    The observation is the cart's position [m], the pole's angle [rad] (0 hanging, π upright), and
    their velocities. The outcome is the position of the pole's tip, x and z [m], and the
    squared norm of the action.
    Source: kchua/handful-of-trials, dmbrl/env/cartpole.py.
    """

    name = "pets-cartpole"
    has_sparse_rewards = False
    model_file = "inverted_pendulum.xml"
    frame_skip = 2
    obs_dim = 4
    act_dim = 1
    outcome_dim = 3
    max_episode_steps = 200
    camera_body = "cart"
    camera_target = (0.0, 0.0, 0.0)
    camera_distance = 6.4  # shows the whole rail
    camera_elevation = -8.0

    def _make_model(self, backend: Backend) -> mujoco.MjModel:
        """gymnasium's inverted pendulum with a longer rail and a pole that hangs and turns."""
        spec = mujoco.MjSpec.from_file(str(self.model_path()))
        spec.geom("rail").size[1] = 3.0
        spec.joint("slider").range = (-2.5, 2.5)
        spec.joint("hinge").limited = mujoco.mjtLimited.mjLIMITED_FALSE
        spec.geom("cpole").fromto[5] = -LENGTH
        add_scenery(spec, floor=-0.8)
        return spec.compile()

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = exp(-‖tip - (0, 0.6)‖² / 0.36) - 0.01 ‖u‖²; no sparse form, never terminated."""
        x, z, effort = (outcome[..., column] for column in range(3))
        square = x**2 + (z - LENGTH) ** 2
        reward = math.e ** (-square / LENGTH**2) - CONTROL_COST * effort
        reward = self.for_each_task(reward, task)
        return reward, 0 * abs(reward), reward < reward

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """Tip of the pole after the step, and ‖action‖²; see `MetaEnv.outcome_of`."""
        return *tip_of(next_obs), (action * action).sum(-1)

    def obs_preproc(self, obs: Any) -> tuple[Any, ...]:
        """Sine and cosine of the pole's angle, then the cart's position and both velocities."""
        angle = obs[..., 1:2]
        return sine(angle), cosine(angle), obs[..., :1], obs[..., 2:]

    def describe_task(self, task_id: int) -> str:
        """The only task."""
        return "swing the pole up"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The target position of the pole's tip; see `MujocoMetaEnv.marker`."""
        return Ball(0.0, 0.0, LENGTH, 0.08)

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0 + generator.normal(0.0, 0.1, self.model.nq)
        return qpos, generator.normal(0.0, 0.1, self.model.nv)

    def _observe(self, lanes: Lanes) -> np.ndarray:
        return np.concatenate([self.simulation.qpos[lanes], self.simulation.qvel[lanes]], axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.qpos[lanes, :1].copy()

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        obs = self._observe(lanes)
        return np.stack(self.outcome_of(obs, action, obs), axis=1)


def tip_of(obs: Any) -> tuple[Any, Any]:
    """Position of the pole's tip, x and z [m], for observations [..., 4]."""
    return obs[..., 0] - LENGTH * sine(obs[..., 1]), -LENGTH * cosine(obs[..., 1])
