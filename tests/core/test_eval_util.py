"""The meta-test procedure, with episodes that end early."""

import numpy as np
import pytest

from rlkit.core.eval_util import evaluate_adaptation, mean_speed, success_rate
from rlkit.core.online_returns import by_trajectory
from rlkit.core.seeding import stream
from tests.toy import CountingEnv, RecordingPolicy


def run(
    task_ids,
    *,
    num_envs=16,
    num_runs=1,
    num_steps=10,
    horizon=4,
    policy=None,
    explored=(),
    **options,
):
    return evaluate_adaptation(
        CountingEnv(num_envs),
        policy or RecordingPolicy(),
        task_ids,
        num_runs=num_runs,
        num_steps=num_steps,
        max_path_length=horizon,
        streams=lambda index, run, n: stream(0, "test", index, run, n),
        explored=explored,
        **options,
    )


def test_a_run_goes_on_until_its_budget_and_its_last_trajectory_is_not_cut():
    adaptation = run([0, 3, 1])
    assert adaptation.num_trajectories().ravel().tolist() == [3, 4, 10]
    assert adaptation.trajectories[2].lengths.tolist() == [4, 3, 1]


def test_lanes_whose_budget_is_spent_show_the_policy_empty_trajectories():
    policy = RecordingPolicy()
    run([0, 3], policy=policy)
    assert policy.adapted == [[4, 3], [4, 3], [4, 3], [0, 3]]


def test_final_return_is_that_of_each_runs_last_trajectory():
    assert run([0, 3, 1], num_runs=2).final_returns(sparse=False).tolist() == [4, 3, 1]
    assert run([0, 3, 1]).final_returns(sparse=True).tolist() == [2, 1.5, 0.5]


def test_online_returns_are_cut_to_what_every_task_has():
    online = by_trajectory(run([0, 3, 1]), sparse=False)
    assert online.tolist() == [[4, 3, 1]] * 3


def test_missing_trajectories_are_nan_in_the_table_of_returns():
    returns = run([0, 3]).returns(sparse=False)
    assert returns.shape == (4, 2, 1)
    assert np.isnan(returns[3, 0, 0]) and returns[3, 1, 0] == 3


@pytest.mark.parametrize("num_envs", [1, 2, 5])
def test_number_of_lanes_changes_nothing(num_envs):
    wide, narrow = run([0, 3, 1], num_runs=2), run([0, 3, 1], num_runs=2, num_envs=num_envs)
    np.testing.assert_array_equal(wide.returns(False), narrow.returns(False))
    np.testing.assert_array_equal(wide.num_trajectories(), narrow.num_trajectories())


@pytest.mark.parametrize("num_envs", [2, 16])
def test_trajectories_that_were_run_before_count_and_are_shown_to_the_policy(num_envs):
    policy, whole_policy = RecordingPolicy(), RecordingPolicy()
    whole = run([0, 3, 1], num_runs=2, num_envs=num_envs, policy=whole_policy)
    partial = run(
        [0, 3, 1], num_runs=2, num_envs=num_envs, policy=policy, explored=whole.trajectories[:2]
    )
    np.testing.assert_array_equal(whole.returns(False), partial.returns(False))
    assert policy.adapted == whole_policy.adapted


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_first_trajectories_can_be_stochastic_and_later_ones_are_as_asked(deterministic):
    adaptation = run([0, 3], num_steps=12, num_stochastic=2, deterministic=deterministic)
    noisy = [bool(paths.actions.any()) for paths in adaptation.trajectories]
    assert noisy == [True, True] + [not deterministic] * (len(noisy) - 2)
    whole = run([0, 3], num_steps=12, deterministic=False)
    for a, b in zip(adaptation.trajectories[:2], whole.trajectories[:2], strict=True):
        np.testing.assert_array_equal(a.actions, b.actions)


def test_speed_and_success_are_those_of_the_final_trajectories():
    final = run([0, 3, 1], num_runs=2).final_paths()
    assert sorted(final.task_ids.tolist()) == [0, 0, 1, 1, 3, 3]
    steps = [
        1 + 0,
        2 + 0,
        3 + 0,
        4 + 0,
        1 + 3,
        2 + 3,
        3 + 3,
        1 + 1,
    ]  # of the toy: outcome + task, on every step
    assert mean_speed(CountingEnv(), final) == np.mean(steps)
    assert success_rate(CountingEnv(), final) == pytest.approx(
        2 / 3
    )  # task 0 never ends at its number


def test_a_task_without_speed_and_success_has_nan():
    class Plain(CountingEnv):
        def speed(self, outcome, task):
            return None

        success = speed

    final = run([0, 3]).final_paths()
    assert np.isnan(mean_speed(Plain(), final)) and np.isnan(success_rate(Plain(), final))


def test_runs_of_one_task_use_different_random_streams():
    seen = set()

    def streams(index, run, n):
        seen.add((index, run, n))
        return stream(0, "test", index, run, n)

    evaluate_adaptation(
        CountingEnv(8),
        RecordingPolicy(),
        [0, 0],
        num_runs=2,
        num_steps=8,
        max_path_length=4,
        streams=streams,
    )
    assert seen == {(i, r, n) for i in range(2) for r in range(2) for n in range(2)}
