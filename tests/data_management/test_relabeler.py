"""The relabeler that keeps every label, and the rows from which contexts are drawn."""

import numpy as np
import pytest

from rlkit.data_management.original_labels import OriginalLabels, VisitRows, tasks_without_rows
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer


def make_paths(task_ids, first_reward) -> Paths:
    """One trajectory of two steps per task; every reward identifies its source."""
    paths = Paths.empty(len(task_ids), 2, 1, 1, 1)
    paths.task_ids[:], paths.lengths[:] = task_ids, 2
    paths.rewards[:] = first_reward + np.arange(2 * len(task_ids)).reshape(-1, 2)
    return paths


def make_buffer():
    return MultiTaskReplayBuffer(3, 1, 1)


def make_visit_rows(**options):
    encoder = make_buffer()
    return VisitRows(encoder, max_visits=2, **options), encoder


def rewards_of(buffer, task):
    return buffer.rows_of(task)[:, 2].tolist()


def drawn(visit_rows, visit):
    batch = visit_rows.draw(visit, 50, np.random.default_rng(0))
    return set(batch.rewards.flatten().tolist())


def test_every_trajectory_is_stored_under_its_own_task():
    replay = make_buffer()
    relabeler = OriginalLabels(replay)
    relabeler.store(make_paths([2, 0], 0), to_encoder=True)
    relabeler.begin([0], 0)
    relabeler.store(make_paths([0], 10), to_encoder=False, visits=[0])
    assert [rewards_of(replay, task) for task in range(3)] == [[2, 3, 10, 11], [], [0, 1]]


def test_the_initial_pool_goes_to_the_trajectories_own_tasks():
    visit_rows, encoder = make_visit_rows()
    visit_rows.store(make_paths([2, 0], 0), to_encoder=True)
    assert [rewards_of(encoder, task) for task in range(3)] == [[2, 3], [], [0, 1]]


def test_visits_replace_the_rows_of_their_task_only():
    visit_rows, encoder = make_visit_rows()
    visit_rows.store(make_paths([0, 1], 0), to_encoder=True)
    visit_rows.begin([1])
    visit_rows.store(make_paths([1], 10), to_encoder=True, visits=[0])
    visit_rows.end()
    assert rewards_of(encoder, 0) == [0, 1]
    assert rewards_of(encoder, 1) == [10, 11]


@pytest.mark.parametrize("every_block", [False, True])
def test_rows_of_a_block_that_does_not_feed_the_encoder_are_kept_if_every_block_is(every_block):
    visit_rows, encoder = make_visit_rows(every_block=every_block)
    visit_rows.begin([1])
    visit_rows.store(make_paths([1], 10), to_encoder=True, visits=[0])
    visit_rows.store(make_paths([1], 20), to_encoder=False, visits=[0])
    kept = [10, 11, 20, 21] if every_block else [10, 11]
    assert drawn(visit_rows, 0) == set(kept)
    assert visit_rows.newest_episodes(0, 9).rows.rewards.flatten().tolist() == kept
    visit_rows.end()
    assert rewards_of(encoder, 1) == kept


def test_two_visits_of_one_task_do_not_see_each_other_and_the_last_one_stays():
    visit_rows, encoder = make_visit_rows()
    visit_rows.begin([1, 1])
    visit_rows.store(make_paths([1, 1], 10), to_encoder=True, visits=[0, 1])
    assert drawn(visit_rows, 0) == {10, 11}
    assert drawn(visit_rows, 1) == {12, 13}
    visit_rows.end()
    assert rewards_of(encoder, 1) == [12, 13]


def test_next_collection_begins_without_rows():
    visit_rows, _ = make_visit_rows()
    visit_rows.begin([1])
    visit_rows.store(make_paths([1], 10), to_encoder=True, visits=[0])
    visit_rows.end()
    visit_rows.begin([2])
    with pytest.raises(ValueError, match="without rows"):
        drawn(visit_rows, 0)


def test_a_collection_that_was_broken_off_leaves_no_rows_to_the_next_one():
    visit_rows, _ = make_visit_rows()
    visit_rows.begin([1])
    visit_rows.store(make_paths([1], 10), to_encoder=True, visits=[0])
    visit_rows.begin([2])
    with pytest.raises(ValueError, match="without rows"):
        drawn(visit_rows, 0)


def test_tasks_that_lack_rows_in_any_buffer_are_found():
    replay, encoder = make_buffer(), make_buffer()
    replay.add_paths([0, 1], make_paths([0, 1], 0))
    encoder.add_paths([1, 2], make_paths([1, 2], 0))
    assert tasks_without_rows(replay, encoder) == [0, 2]
    assert tasks_without_rows(replay) == [2]
