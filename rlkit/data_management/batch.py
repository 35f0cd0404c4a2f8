"""The result of sampling replay data."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Transitions of m tasks, k each: views [m, k, dim] of a tensor; rewards, terminated: dim 1."""

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    sparse_rewards: Tensor
    next_obs: Tensor
    terminated: Tensor


class EpisodeBatch(NamedTuple):
    """Whole episodes of m tasks, n steps per task; begins and mask [m, n] as in `EpisodeWindow`."""

    rows: Batch
    begins: Tensor
    mask: Tensor
