"""Gymnasium's Humanoid-v4 with the contact cost of Humanoid-v1."""

from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.envs.mujoco.humanoid_v4 import HumanoidEnv

CONTACT_WEIGHT, LARGEST_COST = 5e-7, 10.0


class HumanoidContactCost(HumanoidEnv):
    """Humanoid-v1 as closely as the current engine allows: 376-dimensional obs, contact cost.

    The actuators saturate at 0.4, but actions range over [-1, 1] and are passed on unscaled, so the
    control cost 0.1 ||a||^2 also charges for the part of an action that is cut off.

    Args:
        rescale_actions: scale actions from [-1, 1] to the actuators' range instead.
        **settings: passed to gymnasium's class.
    Source: openai/gym 0.9.3, gym/envs/mujoco/humanoid.py.
    """

    def __init__(self, rescale_actions: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        box = cast(gymnasium.spaces.Box, self.action_space)
        self._scale = float(box.high[0]) if rescale_actions else 1.0
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, box.shape, np.float32)

    def step(self, action: np.ndarray) -> Any:
        """Step, with min(5e-7 ||contact forces||^2, 10) subtracted from the reward."""
        scaled = self._scale * np.asarray(action, np.float64)
        obs, reward, terminated, truncated, info = super().step(scaled)
        forces = float(np.square(self.data.cfrc_ext).sum())
        cost = min(CONTACT_WEIGHT * forces, LARGEST_COST)
        return obs, reward - cost, terminated, truncated, {**info, "reward_contact": -cost}
