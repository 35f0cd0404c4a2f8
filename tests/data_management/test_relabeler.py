"""PEARL's relabeler: nothing is relabeled, and an encoder buffer holds its task's last visit."""

import numpy as np
import pytest

from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import OriginalLabels
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer


def make_paths(task_ids, first_reward) -> Paths:
    """One trajectory of two steps per task; every reward tells where it came from."""
    paths = Paths.empty(len(task_ids), 2, 1, 1, 1)
    paths.task_ids[:], paths.lengths[:] = task_ids, 2
    paths.rewards[:] = first_reward + np.arange(2 * len(task_ids)).reshape(-1, 2)
    return paths


def make_relabeler(num_tasks=3):
    replay, encoder = (MultiTaskReplayBuffer(num_tasks, 1, 1) for _ in range(2))
    return OriginalLabels(replay, encoder, max_visits=2), replay, encoder


def rewards_of(buffer, task):
    return buffer.rows_of(task)[:, 2].tolist()


def test_initial_pool_goes_to_the_trajectories_own_tasks_in_both_buffers():
    relabeler, replay, encoder = make_relabeler()
    relabeler.store(make_paths([2, 0], 0), to_encoder=True)
    for buffer in (replay, encoder):
        assert [rewards_of(buffer, task) for task in range(3)] == [[2, 3], [], [0, 1]]


def test_visits_replace_the_encoder_rows_of_their_task_only_and_never_the_rl_rows():
    relabeler, replay, encoder = make_relabeler()
    relabeler.store(make_paths([0, 1], 0), to_encoder=True)
    relabeler.begin_visits([1], 0)
    relabeler.store(make_paths([1], 10), to_encoder=True, visits=[0])
    relabeler.store(make_paths([1], 20), to_encoder=False, visits=[0])
    relabeler.end_collection(0)
    assert rewards_of(encoder, 0) == [0, 1]
    assert rewards_of(encoder, 1) == [10, 11]
    assert rewards_of(replay, 1) == [2, 3, 10, 11, 20, 21]


def test_two_visits_of_one_task_do_not_see_each_other_and_the_last_one_stays():
    relabeler, _, encoder = make_relabeler()
    relabeler.begin_visits([1, 1], 0)
    relabeler.store(make_paths([1, 1], 10), to_encoder=True, visits=[0, 1])
    rng = np.random.default_rng(0)
    assert set(relabeler.collection_context(0, rng, 50).rewards.flatten().tolist()) == {10, 11}
    assert set(relabeler.collection_context(1, rng, 50).rewards.flatten().tolist()) == {12, 13}
    relabeler.end_collection(0)
    assert rewards_of(encoder, 1) == [12, 13]


def test_next_collection_begins_without_rows():
    relabeler, _, _ = make_relabeler()
    relabeler.begin_visits([1], 0)
    relabeler.store(make_paths([1], 10), to_encoder=True, visits=[0])
    relabeler.end_collection(0)
    relabeler.begin_visits([2], 0)
    with pytest.raises(ValueError, match="without rows"):
        relabeler.collection_context(0, np.random.default_rng(0), 5)
