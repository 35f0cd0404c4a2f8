"""Rewards and terminals of a trajectory under other tasks.

Nothing else of a trajectory is ever rewritten.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.envs.reward_matrix import reward_matrix


class Labels(NamedTuple):
    """One trajectory under every task: rewards, sparse rewards and ends, each [num_tasks, T]."""

    rewards: np.ndarray
    sparse_rewards: np.ndarray
    terminated: np.ndarray


def labels_of(path: Paths, tasks: np.ndarray, env: MetaEnv) -> Labels:
    """Label a trajectory with every task, in one call of the reward function.

    Args:
        path: one trajectory of T steps, collected on task `path.task_ids[0]`.
        tasks: the train tasks, [num_tasks, task_dim].
        env: computes the rewards.
    Returns:
        The labels. Under its own task they equal those that it was collected with, bit for bit. An
        end that its own task does not explain (the physics failed) holds under every task.
    """
    steps = int(path.lengths[0])
    labels = Labels(
        *(np.asarray(part) for part in reward_matrix(env, path.outcomes[0, :steps], tasks))
    )
    own = int(path.task_ids[0])
    failed = path.terminated[0, :steps] & ~labels.terminated[own]
    return labels._replace(terminated=labels.terminated | failed)


def relabeled(
    path: Paths, labels: Labels, task_ids: int | np.ndarray, *, cut_at_terminal: bool = False
) -> Paths:
    """Rewrite the rewards and terminals of a trajectory; observations and actions stay.

    Args:
        path: one trajectory of T steps.
        labels: its own.
        task_ids: the new task, or that of every step [T].
        cut_at_terminal: end it at the first step that is terminal under the new task.
    """
    steps = np.arange(int(path.lengths[0]))
    arrays = {name: getattr(path, name).copy() for name in Labels._fields}
    for name, values in zip(Labels._fields, labels, strict=True):
        arrays[name][0, steps] = values[task_ids, steps]
    new = replace(path, **arrays)
    ends = np.flatnonzero(arrays["terminated"][0, steps])
    return replace(new, lengths=ends[:1] + 1) if cut_at_terminal and len(ends) else new
