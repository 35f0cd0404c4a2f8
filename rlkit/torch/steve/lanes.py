"""Parallel environments that run on across iterations and can be resumed within an episode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.core.seeding import stream
from rlkit.envs.base import MetaEnv


class Lanes:
    """Lanes of one environment, each of which is reset when its episode ends.

    Each episode has its own random stream, keyed by lane and number. A lane that was stopped inside
    an episode is therefore resumed by restarting that episode and repeating its actions, which
    restores the simulator's state bit for bit.

    Args:
        env: an environment with one task; all its lanes are used.
        horizon: steps after which an episode is truncated.
        seed: seed of the run.
    Attributes:
        obs: current observation of each lane, [num_lanes, obs_dim]; None before `begin`.
    """

    def __init__(self, env: MetaEnv, horizon: int, seed: int) -> None:
        self.env, self.horizon, self.seed = env, horizon, seed
        self.num_lanes = env.num_envs
        self.obs: np.ndarray | None = None
        self._episodes = [0] * self.num_lanes
        self._actions: list[list[np.ndarray]] = [[] for _ in range(self.num_lanes)]

    def begin(self) -> np.ndarray:
        """Start the episodes, or resume stopped ones; return the observations of all lanes."""
        if self.obs is None:
            self.env.reset_task(np.zeros(self.num_lanes, np.int64))
            self.obs = self.env.reset([self._generator(lane) for lane in range(self.num_lanes)])
            lengths = np.array([len(actions) for actions in self._actions])
            for t in range(lengths.max()):
                action, running = np.zeros((self.num_lanes, self.env.act_dim)), lengths > t
                for lane in np.flatnonzero(running):
                    action[lane] = self._actions[lane][t]
                self.obs[running] = self.env.step(action, running)[0][running]
        return self.obs

    def step(self, action: np.ndarray) -> Tensor:
        """Step every lane and start a new episode in lanes whose episode ends.

        Args:
            action: actions in [-1, 1], [num_lanes, act_dim].
        Returns:
            Rows of the replay buffer, [num_lanes, width]. The next observation of a last step is
            the one before the reset. Only the task's own termination counts as terminated.
        """
        obs = self.begin()
        next_obs, reward, terminated, truncated, info = self.env.step(action)
        columns = obs, action, reward, info["sparse_reward"], next_obs, terminated
        rows = np.concatenate([np.reshape(c, (self.num_lanes, -1)) for c in columns], axis=1)
        for actions, taken in zip(self._actions, action, strict=True):
            actions.append(taken.copy())
        self.obs = next_obs.copy()
        over = np.array([len(actions) >= self.horizon for actions in self._actions])
        ended = np.flatnonzero(terminated | truncated | over)
        for lane in ended.tolist():
            self._episodes[lane] += 1
            self._actions[lane] = []
        if len(ended):
            generators = [self._generator(lane) for lane in ended.tolist()]
            self.obs[ended] = self.env.reset(generators, ended)
        return torch.from_numpy(rows.astype(np.float32))

    def _generator(self, lane: int) -> np.random.Generator:
        return stream(self.seed, "episode", lane, self._episodes[lane])

    def state_dict(self) -> dict[str, Any]:
        """The number of each lane's current episode, and its actions so far."""
        width = 0, self.env.act_dim
        empty = np.zeros(width, np.float32)
        actions = [np.stack(done) if done else empty for done in self._actions]
        return {
            "episodes": list(self._episodes),
            "actions": [torch.from_numpy(done) for done in actions],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; `begin` then repeats the actions."""
        self._episodes = [int(number) for number in state["episodes"]]
        self._actions = [list(done.numpy()) for done in state["actions"]]
        self.obs = None
