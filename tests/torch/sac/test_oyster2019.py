"""The meta-test of oyster's first release, with episodes that end early."""

import numpy as np
import torch

from rlkit.core.online_returns import by_trajectory
from rlkit.core.seeding import stream
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.oyster2019 import evaluate_oyster2019
from tests.toy import CountingEnv, RecordingPolicy


class RowPolicy(RecordingPolicy):
    """A context row is (task, number of the step), so that one sees where it came from."""

    def context_of_paths(self, paths):
        tasks = np.broadcast_to(paths.task_ids[:, None], paths.rewards.shape)
        return torch.from_numpy(np.stack([tasks, paths.obs[:, 1:, 0]], axis=-1))


def run(task_ids, *, num_envs=16, num_runs=2, num_steps=8, horizon=4, num_rows=50, seed=0):
    policy = RowPolicy()
    adaptation = evaluate_oyster2019(
        InPlacePathSampler(CountingEnv(num_envs), policy, horizon),
        policy,
        task_ids,
        num_runs=num_runs,
        num_steps=num_steps,
        num_rows=num_rows,
        streams=lambda purpose: lambda index, run, n: stream(seed, purpose, index, run, n),
    )
    return adaptation, policy


def test_a_run_is_one_trajectory_where_no_episode_ends_early_and_more_where_some_do():
    adaptation, _ = run([0, 3, 1])
    assert adaptation.num_trajectories().tolist() == [
        [3, 3],
        [5, 5],
        [12, 12],
    ]  # explored 2, 3, 8; then 1, 2, 4
    counted = adaptation.final().sum(axis=0).reshape(3, 2)
    assert counted.tolist() == [[1, 1], [2, 2], [4, 4]]


def test_exploration_is_stochastic_and_what_follows_is_not():
    adaptation, _ = run([0, 3])
    for paths, counted in zip(adaptation.trajectories, adaptation.final(), strict=True):
        for lane in np.flatnonzero(paths.lengths):
            assert paths.actions[lane].any() != counted[lane]


def test_the_runs_of_a_task_share_its_exploration():
    adaptation, _ = run([0, 3])
    explored = adaptation.trajectories[0].actions
    np.testing.assert_array_equal(explored[0], explored[1])
    assert (explored[0] != explored[2]).any()


def test_a_context_holds_rows_of_its_own_task_only_and_each_run_draws_another():
    _, policy = run([0, 3])
    contexts, lanes = policy.inferred[0]
    assert lanes == [0, 1, 2, 3]
    for context, task in zip(contexts, [0, 0, 3, 3], strict=True):
        assert context.shape == (50, 2)
        assert set(context[:, 0].tolist()) == {task}
        assert set(context[:, 1].tolist()) == set(
            range(1, (task or 4) + 1)
        )  # all steps, and nothing past an episode's end
    assert not torch.equal(contexts[0], contexts[1])


def test_a_run_keeps_its_z_and_exploration_draws_a_new_one_each_time():
    _, policy = run([1], num_runs=1)
    explored, acted = sum(policy.z[:8], []), sum(policy.z[8:], [])
    assert len(set(explored)) == 8
    assert len(acted) == 4 and len(set(acted)) == 1


def test_the_agent_ends_with_the_posterior_of_the_last_run():
    _, policy = run([0, 3])
    (context,), lanes = policy.inferred[-1]
    assert policy.beliefs[-1] == 1 and lanes == [0]
    assert torch.equal(context, policy.inferred[0][0][-1])


def test_final_return_is_the_mean_over_the_trajectories_after_the_exploration():
    adaptation, _ = run([0, 3, 1])
    assert adaptation.final_returns(sparse=False).tolist() == [4, 3, 1]
    assert by_trajectory(adaptation, sparse=False).shape == (3, 3)


def test_the_number_of_lanes_changes_nothing():
    wide, narrow = run([0, 3, 1])[0], run([0, 3, 1], num_envs=2)[0]
    for a, b in zip(wide.trajectories, narrow.trajectories, strict=True):
        np.testing.assert_array_equal(a.actions, b.actions)
        np.testing.assert_array_equal(a.lengths, b.lengths)
