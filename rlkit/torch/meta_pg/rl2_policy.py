"""The acting policy of RL²: its belief is the hidden state, kept across a trial's episodes."""

from collections.abc import Sequence

import numpy as np
import torch

from rlkit.data_management.paths import Paths
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic


class RL2Policy:
    """Acts on the observation, the previous action and reward, and the end-of-episode flag.

    Actions are drawn from the Gaussian and not clipped; the environment clips what it executes, and
    the network sees the clipped ones.

    Args:
        network: shared with the trainer.
    """

    def __init__(self, network: RecurrentActorCritic) -> None:
        self.network = network
        self.reset_belief(1)

    def reset_belief(self, num_envs: int) -> None:
        """Start a trial in every lane: hidden state and last step are zero."""
        self._hidden = self.network.initial_hidden(num_envs)
        self._last = np.zeros((num_envs, self.network.act_dim + 2), np.float32)
        self._over = np.zeros(num_envs, bool)

    def adapt(self, paths: Paths) -> None:
        """Do nothing: the hidden state is updated at every step."""

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Start an episode; the hidden state is kept, and d marks the end of the previous one."""
        self._over[:] = False

    @torch.no_grad()
    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Draw actions [num_lanes, act_dim], without noise the means; ended lanes are frozen."""
        place = self.network.log_std.device
        inputs = np.concatenate([obs.astype(np.float32), self._last], axis=1)
        output, hidden = self.network.advance(
            torch.from_numpy(inputs[:, None]).to(place), self._hidden
        )
        if self._over.any():
            keep = torch.from_numpy(self._over).to(place)[None, :, None]
            hidden = tuple(
                torch.where(keep, old, new) for old, new in zip(self._hidden, hidden, strict=True)
            )
        self._hidden = hidden
        mean, log_std = self.network.action(output[:, 0])
        action: np.ndarray = mean.cpu().numpy()
        if noise is not None:
            action = action + log_std.exp().cpu().numpy() * noise
        running = ~self._over
        self._last[running, :-2] = action[running].clip(-1, 1)
        return action

    def after_step(self, reward: np.ndarray, ended: np.ndarray) -> None:
        """Store rewards and ends; see `FeedbackPolicy.after_step`."""
        running = ~self._over
        self._last[running, -2] = reward[running]
        self._last[running, -1] = ended[running]
        self._over |= ended
