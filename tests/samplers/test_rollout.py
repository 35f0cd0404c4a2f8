"""Rollouts: what is recorded, when a trajectory ends, whose random numbers are used."""

import numpy as np

from rlkit.core.seeding import stream
from rlkit.samplers.in_place import InPlacePathSampler, with_contexts
from rlkit.samplers.util import rollout
from tests.toy import CountingEnv, RecordingPolicy


def streams(n: int):
    return [stream(0, "test", i) for i in range(n)]


def test_trajectories_end_where_their_task_terminates_or_at_the_horizon():
    paths = rollout(CountingEnv(), RecordingPolicy(), [0, 2, 4], streams(3), 5)
    assert paths.lengths.tolist() == [5, 2, 4]
    assert paths.terminated.sum(axis=1).tolist() == [0, 1, 1]
    assert paths.terminated[1, 1] and paths.terminated[2, 3]


def test_nothing_is_recorded_after_the_end():
    paths = rollout(CountingEnv(), RecordingPolicy(), [0, 2], streams(2), 5)
    assert paths.obs[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert paths.obs[1, :, 0].tolist() == [0, 1, 2, 0, 0, 0]
    assert paths.rewards[1].tolist() == [1, 1, 0, 0, 0]
    assert paths.returns(sparse=True).tolist() == [2.5, 1.0]
    assert not paths.actions[1, 2:].any()


def test_rollout_stops_when_every_trajectory_has_ended():
    env = CountingEnv()
    rollout(env, RecordingPolicy(), [1, 2], streams(2), 100)
    assert env.steps.tolist() == [2, 2]


def test_single_lanes_can_go_without_noise():
    paths = rollout(
        CountingEnv(),
        RecordingPolicy(),
        [0, 0, 0],
        streams(3),
        5,
        deterministic=[False, True, False],
    )
    noisy = rollout(CountingEnv(), RecordingPolicy(), [0, 0, 0], streams(3), 5)
    assert not paths.actions[1].any()
    np.testing.assert_array_equal(paths.actions[[0, 2]], noisy.actions[[0, 2]])


def test_equal_generators_of_z_give_one_z_to_all_trajectories():
    policy = RecordingPolicy()
    sampler = InPlacePathSampler(CountingEnv(2), policy, 5)
    paths = sampler.obtain_samples(
        [0, 0, 0], streams(3), policy_generators=[stream(0, "z") for _ in range(3)]
    )
    assert len(set(sum(policy.z, []))) == 1
    assert (
        len({path.tobytes() for path in paths.actions}) == 3
    )  # the noise of the actions stays each trajectory's own


class LatentPolicy(RecordingPolicy):
    def latents(self):
        return np.array([[z, -z] for z in self.z[-1]])


def test_a_trajectory_is_stored_with_the_z_that_its_policy_reports():
    policy = LatentPolicy()
    paths = InPlacePathSampler(CountingEnv(2), policy, 5).obtain_samples([0, 2, 0], streams(3))
    drawn = np.array(sum(policy.z, []), np.float32)
    np.testing.assert_array_equal(paths.zs, np.stack([drawn, -drawn], axis=1))
    without = rollout(CountingEnv(), RecordingPolicy(), [0, 2], streams(2), 5)
    assert without.zs.shape == (2, 0)


def test_a_trajectory_does_not_depend_on_the_lanes_beside_it():
    together = rollout(CountingEnv(), RecordingPolicy(), [0, 0, 0], streams(3), 5)
    alone = rollout(CountingEnv(), RecordingPolicy(), [0], [stream(0, "test", 1)], 5)
    np.testing.assert_array_equal(together.actions[1], alone.actions[0])
    assert len({a.tobytes() for a in together.actions}) == 3


def test_deterministic_rollouts_draw_no_action_noise():
    paths = rollout(CountingEnv(), RecordingPolicy(), [0], streams(1), 5, deterministic=True)
    assert not paths.actions.any()


def test_sampler_cuts_into_slices_of_the_lanes_and_keeps_the_order():
    env, policy = CountingEnv(num_envs=3), RecordingPolicy()
    paths = InPlacePathSampler(env, policy, 5).obtain_samples([1, 2, 3, 4, 0, 2, 3], streams(7))
    assert env.lanes_used == [3, 3, 1] == policy.beliefs
    assert paths.lengths.tolist() == [1, 2, 3, 4, 5, 2, 3]
    assert paths.task_ids.tolist() == [1, 2, 3, 4, 0, 2, 3]


def test_sampler_gives_each_lane_its_own_context_and_leaves_the_others_at_the_prior():
    policy = RecordingPolicy()
    contexts = ["a", None, "c", None, "e"]
    InPlacePathSampler(CountingEnv(num_envs=3), policy, 2).obtain_samples(
        [0] * 5, streams(5), begin=with_contexts(policy, contexts)
    )
    assert policy.inferred == [(["a", "c"], [0, 2]), (["e"], [1])]
