"""cheetah-run: run forward as fast as possible."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rlkit.envs.half_cheetah import CONTROL_COST, HalfCheetah
from rlkit.envs.lanes import Lanes
from rlkit.envs.markers import Direction, Marker
from rlkit.envs.one_task import OneTask


class HalfCheetahRun(OneTask, HalfCheetah):
    """One task; the observation determines the reward, so that a planner can score predicted
    states.

    The observation is the forward velocity over the last step [m/s] (0 at the start of an episode),
    qpos without the forward position (8) and qvel (9). The outcome is that of `HalfCheetah`.

    Attributes:
        control_cost: reward per squared action.
    """

    name = "cheetah-run"
    has_sparse_rewards = False
    obs_dim = 18
    control_cost = CONTROL_COST

    @cached_property
    def _velocity(self) -> np.ndarray:
        """Forward velocity of each lane over its last step, [num_envs], in m/s."""
        return np.zeros(self.num_envs)

    def describe_task(self, task_id: int) -> str:
        """The only task."""
        return "run forward"

    def marker(self, task_id: int, start: np.ndarray | None = None, elapsed: float = 0.0) -> Marker:
        """The forward direction; see `MujocoMetaEnv.marker`."""
        return Direction(1.0, 0.0)

    def compute_reward(self, outcome: Any, task: Any) -> tuple[Any, Any, Any]:
        """r = v - control_cost ‖u‖²; no sparse form, never terminated."""
        reward = outcome[..., 0] - self.control_cost * outcome[..., 1]
        reward = self.for_each_task(reward, task)
        return reward, 0 * abs(reward), reward < reward

    def outcome_of(self, obs: Any, action: Any, next_obs: Any) -> tuple[Any, ...]:
        """Forward velocity and squared norm of the action; see `MetaEnv.outcome_of`."""
        return next_obs[..., 0], (action * action).sum(-1)

    def speed(self, outcome: Any, task: Any) -> Any:
        """Forward velocity [m/s]."""
        return self.for_each_task(outcome[..., 0], task)

    def _begin(self, lanes: np.ndarray) -> None:
        super()._begin(lanes)
        self._velocity[lanes] = 0

    def _reset_lanes(
        self, generators: Sequence[np.random.Generator], lanes: np.ndarray
    ) -> np.ndarray:
        self._velocity[lanes] = 0
        return super()._reset_lanes(generators, lanes)

    def _simulate(self, action: np.ndarray, lanes: Lanes) -> np.ndarray:
        position = self._position(lanes)[:, 0]
        diverged = super()._simulate(action, lanes)
        self._velocity[lanes] = (self._position(lanes)[:, 0] - position) / self.dt
        return diverged

    def _observe(self, lanes: Lanes) -> np.ndarray:
        qpos, qvel = self.simulation.qpos[lanes], self.simulation.qvel[lanes]
        return np.concatenate([self._velocity[lanes, None], qpos[:, 1:], qvel], axis=1)
