"""The replay buffer of a single task."""

import torch

from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer


class SimpleReplayBuffer(MultiTaskReplayBuffer):
    """A `MultiTaskReplayBuffer` whose only task is 0."""

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        capacity: int = 1_000_000,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Make an empty buffer; arguments as for `MultiTaskReplayBuffer`."""
        super().__init__(1, obs_dim, act_dim, capacity=capacity, device=device, dtype=dtype)
