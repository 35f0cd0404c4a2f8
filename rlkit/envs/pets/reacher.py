"""pets-reacher: a 7-joint arm moves its hand to a target position."""

from pathlib import Path
from typing import Any

import numpy as np

from rlkit.envs.lanes import Lanes
from rlkit.envs.pets.arm import hand_of
from rlkit.envs.pets.base import PetsEnv

CONTROL_COST = 0.01  # reward per squared action
JOINTS = 7


class PetsReacher(PetsEnv):
    """The hand, the middle between the two fingertips, has to be at the goal, which is observed.

    The observation is the arm's joint angles (7), the goal (3) and the angles' velocities (7). The
    outcome is the vector from the goal to the hand (3) [m] and the squared norm of the action. The
    planner takes the goal from the observation at which it plans, since the dynamics model predicts
    the goal's coordinates as it does any other.
    Source: kchua/handful-of-trials, dmbrl/env/reacher.py.
    """

    name = "pets-reacher"
    has_sparse_rewards = False
    model_file = "reacher.xml"
    frame_skip = 2
    obs_dim = 17
    act_dim = 7
    outcome_dim = 4
    max_episode_steps = 150
    camera_body = "shoulder_pan"
    camera_target = (0.3, 0.0, -0.1)
    camera_distance = 2.2
    camera_elevation = -30.0
    camera_azimuth = 250.0  # the goal is in front of the arm

    @classmethod
    def model_path(cls) -> Path:
        """The model file next to this module; no installed package provides one."""
        return Path(__file__).with_name(cls.model_file)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = -‖hand - goal‖² - 0.01 ‖u‖²; no sparse form, never terminated."""
        x, y, z, effort = (outcome[..., column] for column in range(4))
        reward = self.for_each_task(-(x**2 + y**2 + z**2) - CONTROL_COST * effort, task)
        return reward, 0 * abs(reward), reward < reward

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """Vector from goal to hand after the step, and ‖action‖²; see `MetaEnv.outcome_of`."""
        return self.planned_outcome_of(next_obs, obs, action, next_obs)

    def planned_outcome_of(
        self, start_obs: Any, obs: Any, action: Any, next_obs: Any
    ) -> tuple[Any, ...]:
        """As `outcome_of`, with the goal of `start_obs`."""
        hand = hand_of(next_obs)
        goal = (start_obs[..., JOINTS + axis] for axis in range(3))
        return *(h - g for h, g in zip(hand, goal, strict=True)), (action * action).sum(-1)

    def describe_task(self, task_id: int) -> str:
        """The only task."""
        return "bring the hand to the ball"

    def _draw_start(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        qpos = self.model.qpos0.copy()
        qpos[JOINTS:] += generator.normal(0.0, 0.1, 3)
        return qpos, np.zeros(self.model.nv)

    def _observe(self, lanes: Lanes) -> np.ndarray:
        simulation = self.simulation
        return np.concatenate([simulation.qpos[lanes], simulation.qvel[lanes, :JOINTS]], axis=1)

    def _position(self, lanes: Lanes) -> np.ndarray:
        return self.simulation.qpos[lanes, JOINTS:].copy()

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        obs = self._observe(lanes)
        return np.stack(self.outcome_of(obs, action, obs), axis=1)
