"""Rewards and ends of a trajectory under every task: what changes and what does not."""

import numpy as np
import pytest

from rlkit.data_management.labels import labels_of, relabeled
from rlkit.envs import make_env
from rlkit.samplers.util import rollout
from tests.torch.hfr.toy import ENV, HORIZON, TASKS, compute_reward, make_path
from tests.toy import RecordingPolicy


class NoisyPolicy(RecordingPolicy):
    def get_actions(self, obs, noise):
        return np.clip(noise, -1, 1)


@pytest.mark.parametrize("steps", [1, 4, HORIZON])
def test_labels_of_all_tasks_at_once_are_those_of_each_step_and_task(steps):
    path = make_path(1, steps=steps)
    labels = labels_of(path, TASKS, ENV)
    for task in range(len(TASKS)):
        for t in range(steps):
            expected = compute_reward(path.outcomes[0, t], TASKS[task])
            assert tuple(part[task, t] for part in labels) == tuple(expected)


@pytest.mark.parametrize("name", ["four-corners", "sparse-point-robot", "point-robot"])
def test_relabeling_to_the_true_task_changes_nothing(name):
    env = make_env(name, n_tasks=4, num_envs=4)
    generators = [np.random.default_rng(n) for n in range(4)]
    paths = rollout(env, NoisyPolicy(), range(4), generators, 20)
    for task in range(4):
        path = paths.select([task])
        new = relabeled(path, labels_of(path, env.tasks, env), task)
        for field in ("obs", "actions", "rewards", "sparse_rewards", "terminated", "lengths"):
            np.testing.assert_array_equal(getattr(new, field), getattr(path, field))
            assert getattr(new, field).dtype == getattr(path, field).dtype


def test_relabeling_rewrites_rewards_and_ends_only_and_not_the_original():
    path = make_path(0)
    before = path.rewards.copy()
    labels = labels_of(path, TASKS, ENV)
    new = relabeled(path, labels, 2)
    np.testing.assert_array_equal(new.rewards[0], labels.rewards[2])
    np.testing.assert_array_equal(new.terminated[0], labels.terminated[2])
    np.testing.assert_array_equal(path.rewards, before)
    assert new.obs is path.obs and new.actions is path.actions


def test_every_step_can_get_a_task_of_its_own():
    path = make_path(0)
    labels = labels_of(path, TASKS, ENV)
    each = np.array([2, 0, 1, 1, 0, 2])
    np.testing.assert_array_equal(
        relabeled(path, labels, each).rewards[0], labels.rewards[each, np.arange(HORIZON)]
    )


def test_an_episode_that_physics_ended_has_ended_under_every_task():
    path = make_path(0)
    path.terminated[0, -1] = True  # though no goal is near
    labels = labels_of(path, TASKS, ENV)
    assert labels.terminated[:, -1].all()


def test_a_trajectory_can_be_cut_where_its_new_task_ends_first():
    path = make_path(0)
    path.outcomes[0, 2:4] = TASKS[1]
    labels = labels_of(path, TASKS, ENV)
    assert relabeled(path, labels, 1).lengths.tolist() == [HORIZON]
    cut = relabeled(path, labels, 1, cut_at_terminal=True)
    assert cut.lengths.tolist() == [3]
    assert cut.rows()["terminated"][:, 0].tolist() == [False, False, True]
