"""The relabeler around a method: three buffers, random draws, clearing, where rows are stored."""

import numpy as np
import pytest

from rlkit.data_management.paths import Paths
from rlkit.torch.hfr.methods import UniformTask
from tests.torch.hfr.toy import (
    HORIZON,
    TASKS,
    ChosenTask,
    compute_reward,
    fill_pool,
    make_path,
    make_relabeler,
)

TO_TASK_2 = (0.0, 0.0, 1e9)


def collect(relabeler, iteration, paths, *, visits=None, to_encoder=True, group_size=1):
    """One iteration of a single block: by default every path is a separate visit."""
    visits = list(range(len(paths))) if visits is None else visits
    relabeler.begin(
        [int(paths[visits.index(v)].task_ids[0]) for v in sorted(set(visits))], iteration
    )
    relabeler.store(Paths.concatenate(paths), to_encoder=to_encoder, visits=visits)
    relabeler.end_block(group_size)
    return relabeler.end_collection(iteration)


def sizes(buffer):
    return [buffer.size(task_id) for task_id in range(buffer.num_tasks)]


def test_the_initial_pool_goes_unrelabeled_to_both_buffers():
    relabeler = make_relabeler(ChosenTask(TO_TASK_2))
    fill_pool(relabeler)
    for buffer in (relabeler.replay_buffer, relabeler.encoder_buffer):
        assert sizes(buffer) == [HORIZON] * 3
    assert relabeler.method.judged == []


def test_a_relabeled_trajectory_goes_to_its_new_task():
    relabeler, path = make_relabeler(ChosenTask(TO_TASK_2)), make_path(0)
    columns = collect(relabeler, 0, [path])
    assert sizes(relabeler.replay_buffer) == sizes(relabeler.encoder_buffer) == [0, 0, HORIZON]
    rewards, _, _ = compute_reward(path.outcomes[0], TASKS[2])
    np.testing.assert_array_equal(relabeler.replay_buffer.rows_of(2)[:, 2], rewards)
    assert (
        columns["Relabeling moved"],
        columns["Relabeling kept"],
        columns["Tasks without new rows"],
    ) == (1, 0, 2)


def test_a_block_that_does_not_feed_the_encoder_reaches_the_rl_buffer_only():
    relabeler = make_relabeler(ChosenTask(TO_TASK_2))
    fill_pool(relabeler)
    collect(relabeler, 0, [make_path(0)], to_encoder=False)
    assert sizes(relabeler.replay_buffer) == [HORIZON, HORIZON, 2 * HORIZON]
    assert sizes(relabeler.encoder_buffer) == [HORIZON] * 3


def test_encoder_rows_are_emptied_by_the_first_assignment_of_an_iteration_only():
    relabeler = make_relabeler(ChosenTask(TO_TASK_2))
    fill_pool(relabeler)
    collect(relabeler, 0, [make_path(0, steps=2)])
    assert sizes(relabeler.encoder_buffer) == [
        HORIZON,
        HORIZON,
        HORIZON + 2,
    ]  # iteration 0 appends to the pool
    collect(relabeler, 1, [make_path(0, steps=3), make_path(1, steps=4)])
    assert sizes(relabeler.encoder_buffer) == [
        HORIZON,
        HORIZON,
        7,
    ]  # two assignments of one iteration stay together
    columns = collect(relabeler, 2, [make_path(0, steps=1)])
    assert sizes(relabeler.encoder_buffer) == [HORIZON, HORIZON, 1]
    assert columns["Encoder rows age Max"] == 2 and columns[
        "Encoder rows age Mean"
    ] == pytest.approx(4 / 3)


def test_the_relabeler_leaves_the_sampler_buffer_to_the_collection():
    relabeler = make_relabeler(ChosenTask(TO_TASK_2))
    fill_pool(relabeler)
    collect(relabeler, 0, [make_path(0)])
    assert sizes(relabeler.sampler_buffer) == [0] * 3


@pytest.mark.parametrize(("group_size", "num_groups"), [(0, 1), (1, 4), (3, 2)])
def test_trajectories_of_a_group_share_a_coin(group_size, num_groups):
    seen = set()
    for iteration in range(40):
        relabeler = make_relabeler(ChosenTask(TO_TASK_2), relabel_prob=0.5)
        collect(relabeler, iteration, [make_path(0)] * 4, visits=[0] * 4, group_size=group_size)
        seen.add(len(relabeler.method.judged))
    possible = {0: {0, 4}, 1: {0, 1, 2, 3, 4}, 3: {0, 1, 3, 4}}[group_size]
    assert seen <= possible and len(seen) >= min(2 * num_groups, 4)


def test_each_block_of_a_visit_has_coins_of_its_own():
    seen = set()
    for iteration in range(20):
        relabeler = make_relabeler(ChosenTask(TO_TASK_2), relabel_prob=0.5)
        relabeler.begin([0], iteration)
        for _ in range(2):
            relabeler.store(make_path(0), to_encoder=True, visits=[0])
            relabeler.end_block(1)
        seen.add(len(relabeler.method.judged))
    assert seen == {0, 1, 2}


def test_the_coin_falls_with_its_probability():
    relabeler = make_relabeler(ChosenTask(TO_TASK_2), relabel_prob=0.3)
    columns = collect(relabeler, 0, [make_path(0, steps=1)] * 2000, visits=[0] * 2000)
    assert columns["Relabeling kept"] == pytest.approx(0.7, abs=4 * (0.21 / 2000) ** 0.5)


def test_tasks_are_assigned_as_often_as_they_are_probable():
    relabeler = make_relabeler(ChosenTask(np.log([0.2, 0.5, 0.3])))
    collect(relabeler, 0, [make_path(0, steps=1)] * 3000, visits=[0] * 3000)
    shares = np.array(sizes(relabeler.replay_buffer)) / 3000
    np.testing.assert_allclose(shares, [0.2, 0.5, 0.3], atol=4 * 0.5 / 3000**0.5)


def test_before_the_first_iteration_and_with_probability_0_labels_stay():
    for changes in ({"relabel_prob": 0.0}, {"relabel_start_iteration": 1}):
        relabeler = make_relabeler(ChosenTask(TO_TASK_2), **changes)
        columns = collect(relabeler, 0, [make_path(0), make_path(1)])
        assert sizes(relabeler.replay_buffer) == [HORIZON, HORIZON, 0]
        assert columns["Relabeling kept"] == 1 and relabeler.method.judged == []
    collect(relabeler, 1, [make_path(0)])
    assert sizes(relabeler.replay_buffer) == [HORIZON, HORIZON, HORIZON]


def test_what_a_visit_is_assigned_does_not_depend_on_the_visits_beside_it():
    def rewards_of_first(*others):
        relabeler = make_relabeler(UniformTask(3))
        collect(
            relabeler,
            3,
            [make_path(0, steps=1, seed=n) for n in range(5)] + list(others),
            visits=[0] * 5 + [1] * len(others),
        )
        starts = {make_path(0, seed=n).obs[0, 0, 0] for n in range(5)}
        rows = [
            (task, row)
            for task in range(3)
            for row in relabeler.replay_buffer.rows_of(task).tolist()
        ]
        return sorted((task, row[2]) for task, row in rows if row[0] in starts)

    assert rewards_of_first() == rewards_of_first(make_path(1, seed=77), make_path(2, seed=78))


def test_with_one_train_task_nothing_is_judged():
    relabeler = make_relabeler(ChosenTask([0.0]), num_tasks=1)
    columns = collect(relabeler, 0, [make_path(0)])
    assert relabeler.method.judged == [] and columns["Relabeling back to own task"] == 1


def test_utilities_that_are_not_finite_leave_the_label():
    relabeler = make_relabeler(ChosenTask([np.nan, np.inf, np.nan]))
    collect(relabeler, 0, [make_path(1)])
    assert sizes(relabeler.replay_buffer) == [0, HORIZON, 0]


def test_argmax_takes_the_largest_logit():
    relabeler = make_relabeler(ChosenTask([0.1, 0.2, 0.0]), use_softmax=False)
    collect(relabeler, 0, [make_path(0)] * 20, visits=[0] * 20)
    assert sizes(relabeler.replay_buffer) == [0, 20 * HORIZON, 0]


def test_transitions_with_tasks_of_their_own_are_no_episodes():
    each = np.full((3, HORIZON), -1e9)
    tasks = [2, 0, 2, 1, 1, 0]
    each[tasks, np.arange(HORIZON)] = 1e9
    relabeler, path = make_relabeler(ChosenTask(each)), make_path(0)
    fill_pool(relabeler)
    columns = collect(relabeler, 1, [path])
    assert sizes(relabeler.replay_buffer) == [HORIZON + 2] * 3
    assert (
        sizes(relabeler.encoder_buffer) == [HORIZON + 2] * 3
    )  # iteration 0 had no collection: the pool is not cleared yet
    for task in range(3):
        steps = np.flatnonzero(np.array(tasks) == task)
        np.testing.assert_array_equal(
            relabeler.replay_buffer.rows_of(task)[HORIZON:, 0], path.obs[0, steps, 0]
        )
        rewards, _, _ = compute_reward(path.outcomes[0, steps], TASKS[task])
        np.testing.assert_array_equal(relabeler.replay_buffer.rows_of(task)[HORIZON:, 2], rewards)
        assert relabeler.replay_buffer.episodes.lengths(task).tolist() == [HORIZON]
    assert columns["Relabeling moved"] == pytest.approx(4 / 6)


def test_successes_are_counted_with_those_that_were_moved_away():
    reached = make_path(0)
    reached.outcomes[0, -1] = TASKS[0]
    columns = collect(make_relabeler(ChosenTask(TO_TASK_2)), 0, [reached, make_path(0)])
    assert (
        columns["Own-task successes"],
        columns["Own-task successes moved"],
        columns["New-task successes"],
    ) == (1, 1, 0)
    reached.outcomes[0, -1] = TASKS[2]
    columns = collect(make_relabeler(ChosenTask(TO_TASK_2)), 0, [reached])
    assert (columns["Own-task successes"], columns["New-task successes"]) == (0, 1)


def test_a_trajectory_that_passes_the_goal_of_its_new_task_counts_as_a_new_success():
    passing = make_path(0)
    passing.outcomes[0, 2] = TASKS[2]  # and continues: its own task does not end there
    columns = collect(make_relabeler(ChosenTask(TO_TASK_2)), 0, [passing, make_path(0)])
    assert (columns["Own-task successes"], columns["New-task successes"]) == (0, 1)
    at_its_own = make_path(2)
    at_its_own.outcomes[0, 2] = TASKS[2]
    columns = collect(make_relabeler(ChosenTask(TO_TASK_2)), 0, [at_its_own])
    assert columns["New-task successes"] == 0  # it stays where it was
