"""Classes written for old gym as task distributions: faithful and reproducible."""

import numpy as np
import pytest

from rlkit.envs import env_class, make_env
from rlkit.envs.class_adapter import adapted
from rlkit.envs.point_robot import PointRobot
from tests.envs.old_gym_toys import Toy, made, write_toy


def run(env, steps=12):
    rows = []
    for _ in range(steps):
        obs, reward, _, _, info = env.step(np.full((env.num_lanes, 1), 0.1))
        rows.append(np.column_stack([obs, reward, info["sparse_reward"]]))
    return np.array(rows)


def test_steps_and_rewards_are_the_classs_own():
    env, obs = made(noise=0.0, first=1)
    place, goal = obs[0, 0], np.linspace(-1, 1, 4)[1]
    obs, reward, terminated, truncated, info = env.step([[-0.25]])
    np.testing.assert_allclose(obs, [[place - 0.25, 1, goal]])
    np.testing.assert_allclose(reward, [-abs(place - 0.25 - goal)])
    assert info["sparse_reward"].tolist() == [float(reward[0] > -0.2)]
    assert not terminated.any() and not truncated.any()


def test_lanes_do_not_depend_on_how_many_there_are():
    env, obs = made(num_lanes=3)
    found = run(env)
    for lane in range(3):
        alone, first = made(first=lane)
        np.testing.assert_array_equal(first, obs[[lane]])
        np.testing.assert_array_equal(run(alone), found[:, [lane]])


def test_a_trajectory_depends_on_its_generator_and_task_only():
    env, _ = made(num_lanes=2)
    first = run(env)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    np.testing.assert_array_equal(run(env), first)


def test_numpys_global_generator_goes_on_as_if_nothing_had_happened():
    np.random.seed(5)
    expected = np.random.random_sample(6)
    np.random.seed(5)
    before = np.random.random_sample(3)
    run(made(num_lanes=2, randomize_tasks=True)[0])
    np.testing.assert_array_equal(np.concatenate([before, np.random.random_sample(3)]), expected)


def test_tasks_are_those_of_a_seeded_construction_in_every_lane():
    _, obs = made(num_lanes=4, randomize_tasks=True, task_seed=7)
    np.testing.assert_array_equal(obs[:, 2], np.random.RandomState(7).uniform(-1, 1, 4))


def test_the_classs_own_generator_is_seeded_from_the_lanes():
    class Seeded(Toy):
        def seed(self, seed=None):
            self.generator = np.random.RandomState(seed)
            return [seed]

        def reset(self):
            self.place, self.clock = (
                self.generator.normal() if hasattr(self, "generator") else 0.0,
                0,
            )
            return self.observe()

    first, again = (made(Seeded, num_lanes=3)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first[:, 0])) == 3


def test_stored_rewards_are_reproduced_by_compute_reward_in_single_precision():
    env = adapted(Toy, "toys:Toy")(n_tasks=4, num_envs=4)
    env.reset_task([0, 1, 2, 3])
    env.reset([np.random.default_rng(lane) for lane in range(4)])
    for _ in range(20):
        _, reward, terminated, _, info = env.step(np.full((4, 1), 0.1))
        again = env.compute_reward(info["outcome"], env.tasks[env.task_ids])
        for stored, recomputed in zip(
            (reward, info["sparse_reward"], terminated), again, strict=True
        ):
            np.testing.assert_array_equal(stored, recomputed)
        assert reward.dtype == np.float32


def test_a_lane_that_has_ended_stands_still():
    env, _ = made(num_lanes=2, noise=0.0)
    while not (terminated := env.step(np.array([[0.1], [-0.05]]))[2])[0]:
        pass
    steps = [instance.steps for instance in env._instances]
    obs, *_ = env.step(np.array([[0.1], [0.0]]))
    assert terminated.tolist() == [True, False]
    assert obs[0, 0] > 1.5
    assert [
        instance.steps - before for instance, before in zip(env._instances, steps, strict=True)
    ] == [0, 1]


def test_a_time_limit_of_old_gym_is_no_termination():
    class Limited(Toy):
        def step(self, action):
            obs, reward, _, info = super().step(action)
            return obs, reward, True, {**info, "TimeLimit.truncated": True}

    env, _ = made(Limited)
    assert not env.step([[0.0]])[2].any()


def test_without_a_sparse_reward_there_is_zero():
    class Dense(Toy):
        def step(self, action):
            return (*super().step(action)[:3], {})

    env, _ = made(Dense)
    assert env.step([[0.0]])[4]["sparse_reward"].tolist() == [0.0]


def test_actions_from_minus_one_to_one_cover_the_classs_box(monkeypatch, tmp_path):
    write_toy(monkeypatch, tmp_path)
    env = make_env("toy_tasks.lines:Toy", n_tasks=2, noise=0.0, dtype=np.float64)
    env.reset_task([0])
    place = env.reset([np.random.default_rng(0)])[0, 0]
    assert env.step([[1.0]])[0][0, 0] == pytest.approx(place + 0.1)
    assert env.step([[-1.0]])[0][0, 0] == pytest.approx(place + 0.1 - 0.4)


def test_a_meta_env_of_ones_own_is_taken_as_it_is():
    assert env_class("rlkit.envs.point_robot:PointRobot") is PointRobot
