"""The ant of HFR's tasks: weak motors, small costs, and an end when it is too low or high."""

import abc
from typing import Any

import numpy as np

from rlkit.envs.ant import CONTACT_COST, Ant
from rlkit.envs.lanes import Lanes

CONTROL_COST = 0.005  # reward per squared action
ALIVE_BONUS = 0.05  # reward of each step


class LowGearAnt(Ant):
    """The ant with motors of gear 30.

    Subclasses implement `_progress`, the first part of the outcome.

    The last three numbers of an outcome are the squared norms of the action and of the clipped
    contact forces, and the torso's height [m]; the task-specific numbers come before them.
    Source: michaelwan11/hfr, low_gear_ratio_ant.xml and its ant environments.
    """

    def __init__(self, n_tasks: int, *, use_low_gear_ratio: bool = True, **settings: Any) -> None:
        """Draw the task set and make the lanes.

        Args:
            n_tasks: size of the task set.
            use_low_gear_ratio: motors of gear 30; False: oyster's, of gear 150.
            **settings: see `Ant`.
        Raises:
            ValueError: a value out of its range.
        """
        super().__init__(n_tasks, use_low_gear_ratio=use_low_gear_ratio, **settings)

    def with_costs(self, reward: Any, outcome: Any) -> Any:
        """Add what each step earns and costs: -0.005 ‖u‖² - 0.0005 ‖contact‖² + 0.05."""
        return (
            reward - CONTROL_COST * outcome[..., -3] - CONTACT_COST * outcome[..., -2] + ALIVE_BONUS
        )

    @abc.abstractmethod
    def _progress(self, position_before: np.ndarray, lanes: Lanes) -> np.ndarray:
        """The task-specific part of the outcome after a step, [num_lanes, n]."""

    def _outcome(self, position_before: np.ndarray, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        height = self.simulation.qpos[lanes, 2:3]
        return np.concatenate(
            [self._progress(position_before, lanes), self._costs(action, lanes), height], axis=1
        )
