"""Training data of RL²: whole trials, the concatenated episodes of a task."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlkit.data_management.paths import Paths
from rlkit.torch.meta_pg.advantages import gae

Credit = Literal["trial", "episode"]


class Trials(NamedTuple):
    """Trials of unequal length; steps follow each other without gaps, then come zeros.

    Attributes:
        inputs: x_t = [s_t, a_{t−1}, r_{t−1}, d_{t−1}], [num_trials, num_steps, input_dim].
        actions: as drawn, [num_trials, num_steps, act_dim].
        rewards: [num_trials, num_steps].
        ends: 1 if an episode ends with the step, same shape.
        mask: 1 for valid steps, otherwise 0, same shape.
    """

    inputs: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    mask: Tensor

    def select(self, trials: Tensor) -> "Trials":
        """Select trials by index, [n]."""
        return Trials(*(value[trials] for value in self))


def trials_of(episodes: Sequence[Paths], device: torch.device | str = "cpu") -> Trials:
    """Concatenate the episodes of every trial.

    The first observation of an episode comes with the last action and reward of the previous one
    and d = 1; in the first episode of a trial these are zeros.

    Args:
        episodes: the first, second, … episode of every trial.
        device: device of the tensors.
    """

    def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays, axis=1)

    mask = joined([paths.mask for paths in episodes])
    order = np.argsort(~mask, axis=1, kind="stable")  # valid steps first, in order

    def packed(array: np.ndarray) -> np.ndarray:
        index = order.reshape(*order.shape, *[1] * (array.ndim - 2))
        kept = mask.reshape(*mask.shape, *[1] * (array.ndim - 2))
        return np.take_along_axis(np.where(kept, array, 0), index, axis=1).astype(np.float32)

    obs = packed(joined([paths.obs[:, :-1] for paths in episodes]))
    actions = packed(joined([paths.actions for paths in episodes]))
    rewards = packed(joined([paths.rewards for paths in episodes]))
    steps = [np.arange(paths.horizon) == paths.lengths[:, None] - 1 for paths in episodes]
    ends, exists = packed(joined(steps)), packed(mask)
    last = np.concatenate([actions.clip(-1, 1), rewards[..., None], ends[..., None]], axis=2)
    last = np.concatenate([np.zeros_like(last[:, :1]), last[:, :-1]], axis=1) * exists[..., None]
    tensors = (np.concatenate([obs, last], axis=2), actions, rewards, ends, exists)
    return Trials(*(torch.from_numpy(array).to(device) for array in tensors))


def trial_advantages(
    trials: Trials, values: Tensor, *, discount: float, gae_lambda: float, credit: Credit
) -> Tensor:
    """Compute the advantages of all steps, not standardised.

    Args:
        trials: whole trials.
        values: [num_trials, num_steps].
        discount, gae_lambda: γ and λ.
        credit: "trial" credits a step with all later rewards of its trial, so that exploration can
            pay off in later episodes; "episode" only with those of its own episode.
    Returns:
        [num_trials, num_steps].
    """
    return gae(
        trials.rewards.double(),
        (values * trials.mask).double(),
        trials.mask,
        discount=discount,
        gae_lambda=gae_lambda,
        cut=None if credit == "trial" else trials.ends,
    )
