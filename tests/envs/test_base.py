"""Lanes, tasks and random streams of every environment, shown on the fastest one."""

import numpy as np
import pytest

from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.old_gym import OldGymEnv
from rlkit.envs.point_robot import PointRobot


def generators(count, seed=0):
    return [np.random.default_rng((seed, lane)) for lane in range(count)]


def started(num_envs=4, num_lanes=3, n_tasks=5):
    env = PointRobot(n_tasks, num_envs=num_envs)
    env.reset_task(np.arange(num_lanes) % n_tasks)
    env.reset(generators(num_lanes))
    return env


def test_arrays_have_as_many_rows_as_lanes_are_in_use():
    env = started(num_envs=4, num_lanes=3)
    obs, reward, terminated, truncated, info = env.step(np.zeros((3, 2)))
    assert env.num_lanes == 3
    assert obs.shape == info["outcome"].shape == (3, 2)
    shapes = {
        part.shape
        for part in (reward, terminated, truncated, info["sparse_reward"], info["diverged"])
    }
    assert shapes == {(3,)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_observations_outcomes_tasks_and_rewards_have_the_chosen_dtype(dtype):
    env = PointRobot(2, dtype=dtype)
    env.reset_task([1])
    obs = env.reset(generators(1))
    next_obs, reward, terminated, truncated, info = env.step([[0.0, 0.0]])
    for part in (obs, next_obs, reward, info["outcome"], info["sparse_reward"], env.tasks):
        assert part.dtype == dtype
    assert terminated.dtype == truncated.dtype == info["diverged"].dtype == bool
    assert obs[0] in env.single_observation_space


def test_a_returned_array_is_not_changed_by_later_steps():
    env = started()
    first = env.step(np.full((3, 2), 0.1))
    kept = [first[0].copy(), first[1].copy(), first[4]["outcome"].copy()]
    env.step(np.full((3, 2), 0.1))
    for now, then in zip((first[0], first[1], first[4]["outcome"]), kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_lanes_start_depends_only_on_its_own_generator():
    wide = PointRobot(2, num_envs=6)
    wide.reset_task([0] * 6)
    together = wide.reset(generators(6))
    alone = PointRobot(2)
    alone.reset_task([0])
    for lane, generator in enumerate(generators(6)):
        np.testing.assert_array_equal(alone.reset([generator])[0], together[lane])


def test_resetting_some_lanes_leaves_the_others_alone():
    env = started(num_lanes=3)
    untouched = env.step(np.zeros((3, 2)))[0]
    renewed = env.reset([np.random.default_rng(99)], lanes=[1])
    obs = env.step(np.zeros((3, 2)))[0]
    np.testing.assert_array_equal(obs[[0, 2]], untouched[[0, 2]])
    np.testing.assert_array_equal(obs[1], renewed[0])


def test_a_lane_can_change_its_task_alone():
    env = started(num_lanes=3)
    env.reset_task([4], lanes=[1])
    env.reset(generators(1), lanes=[1])
    _, reward, _, _, info = env.step(np.zeros((3, 2)))
    expected, _, _ = env.compute_reward(info["outcome"], env.tasks[[0, 4, 2]])
    assert env.task_ids.tolist() == [0, 4, 2]
    np.testing.assert_array_equal(reward, expected)


def test_a_full_reset_task_sets_how_many_lanes_are_in_use():
    env = started(num_envs=4, num_lanes=3)
    env.reset_task([1])
    assert env.num_lanes == 1
    assert env.reset(generators(1)).shape == (1, 2)
    env.reset_task([0, 1, 2, 3])
    assert env.reset(generators(4)).shape == (4, 2)


def test_set_tasks_replaces_the_tasks_of_running_lanes_too():
    env = started(num_lanes=3)
    env.set_tasks(np.zeros((5, 2)))
    obs, reward, *_ = env.step(np.zeros((3, 2)))
    np.testing.assert_allclose(reward, -np.linalg.norm(obs, axis=1), rtol=1e-6)


def test_all_task_numbers_are_listed():
    assert list(PointRobot(3).get_all_task_idx()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.reset_task([5]), "task_ids are \\[5\\], expected numbers from 0 to 4"),
        (lambda env: env.reset_task([-1]), "task_ids"),
        (lambda env: env.reset_task([0.5]), "expected a sequence of integers"),
        (lambda env: env.reset_task([]), "0 lanes requested"),
        (lambda env: env.reset_task([0] * 5), "5 lanes requested, expected 1 to num_envs = 4"),
        (lambda env: env.reset_task([0], lanes=[3]), "lanes are \\[3\\]"),
        (lambda env: env.reset_task([0, 1], lanes=[1, 1]), "different numbers"),
        (lambda env: env.reset_task([0, 1], lanes=[1]), "2 task_ids for 1 lanes"),
        (lambda env: env.reset(generators(2)), "2 generators for 3 lanes"),
        (lambda env: env.step(np.zeros((4, 2))), r"shape \(4, 2\).*\(3, 2\)"),
        (lambda env: env.step(np.zeros(2)), r"shape \(2,\)"),
        (lambda env: env.step([[0, 0], [0, np.nan], [0, 0]]), r"lanes \[1\] are not finite"),
        (lambda env: env.step([[0, 0], [0, 0], [np.inf, 0]]), r"lanes \[2\] are not finite"),
        (
            lambda env: (env.reset_task([2], lanes=[2]), env.step(np.zeros((3, 2)))),
            r"lanes \[2\] .* must be reset",
        ),
        (lambda env: env.set_tasks(np.zeros((4, 2))), r"\(5, 2\) finite numbers.*\(4, 2\)"),
        (lambda env: env.set_tasks(np.full((5, 2), np.nan)), "finite"),
        (lambda env: (env.close(), env.step(np.zeros((3, 2)))), "shape"),
    ],
)
def test_bad_input_is_refused_with_a_message_that_names_it(call, message):
    with pytest.raises(ValueError, match=message):
        call(started(num_envs=4, num_lanes=3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_tasks": 0}, "n_tasks is 0"),
        ({"n_tasks": True}, "n_tasks is True"),
        ({"n_tasks": 2.0}, "n_tasks is 2.0"),
        ({"n_tasks": 2, "num_envs": 0}, "num_envs is 0"),
        ({"n_tasks": 2, "task_seed": -1}, "task_seed is -1"),
        ({"n_tasks": 2, "dtype": np.float16}, "dtype is float16"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PointRobot(**settings)


def test_environments_say_whether_their_tasks_differ_in_rewards_alone():
    not_relabelable = {name for name in ENVS if not env_class(name).relabelable}
    assert not_relabelable >= {"hopper-rand-params", "walker-rand-params"}
    assert not OldGymEnv.relabelable
    assert make_env("four-corners", n_tasks=4).relabelable
