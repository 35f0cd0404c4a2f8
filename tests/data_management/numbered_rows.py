"""Small replay buffers, and transitions that are computed from a number."""

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

OBS, ACT = 2, 1
WIDTH = 2 * OBS + ACT + 3


def make_buffer(num_tasks=3, capacity=10, page_rows=4, **options):
    """A small buffer whose pages and rings are soon full."""
    return MultiTaskReplayBuffer(
        num_tasks, OBS, ACT, capacity=capacity, page_rows=page_rows, **options
    )


def numbered_paths(lengths, start, horizon=7, dtype=np.float32):
    """Trajectories whose rewards number the transitions from `start` on.

    The other entries follow from the number.
    """
    paths = Paths.empty(len(lengths), horizon, OBS, ACT, outcome_dim=1, dtype=dtype)
    for i, length in enumerate(lengths):
        numbers = start + np.arange(length)
        paths.obs[i, :length] = numbers[:, None] + [0.25, 0.5]
        paths.obs[i, 1 : length + 1] = numbers[:, None] + [1.25, 1.5]
        paths.actions[i, :length, 0] = -numbers
        paths.rewards[i, :length] = numbers
        paths.sparse_rewards[i, :length] = numbers / 2
        paths.terminated[i, :length] = numbers % 2 == 1
        paths.lengths[i] = length
        start += length
    return paths


def row_of(number):
    """The stored row of a numbered transition."""
    n = float(number)
    return [n + 0.25, n + 0.5, -n, n, n / 2, n + 1.25, n + 1.5, n % 2]
