"""Lanes that are not running do not move and do not affect the others."""

import importlib.util

import numpy as np
import pytest

from rlkit.envs import make_env
from tests.envs.old_gym_toys import made
from tests.envs.own_task import LineWalk

BATCH = [("cheetah-vel", {"backend": "batch"})] if importlib.util.find_spec("mujoco.batch") else []
SAWYER = [("sawyer-push", {})] if importlib.util.find_spec("metaworld") else []
CASES = [
    *(("point-robot", {}), ("four-corners", {}), ("cheetah-vel", {"backend": "pool"})),
    *(("ant-dir", {}), ("ant-goal-ring", {}), ("humanoid-dir", {}), ("hopper-rand-params", {})),
    *(("cheetah-highdim", {}), ("cheetah-vel", {"backend": "pool", "physics_threads": 2})),
    *(*BATCH, *SAWYER),
]


def started(name, lanes, **settings):
    env = make_env(name, n_tasks=4, num_envs=5, **settings)
    env.reset_task([lane % 4 for lane in lanes])
    env.reset([np.random.default_rng(lane) for lane in lanes])
    return env


def rows(step, chosen):
    """Everything that a step returned about the chosen lanes, as one array each."""
    obs, reward, terminated, truncated, info = step
    return [part[chosen] for part in (obs, reward, terminated, truncated, *info.values())]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_running_lanes_do_not_depend_on_those_that_stand(name, settings):
    wide, some = started(name, range(5), **settings), started(name, range(5), **settings)
    alone = started(name, [3], **settings)
    running = np.array([True, False, True, True, False])
    rng = np.random.default_rng(0)
    for t in range(12):
        action = rng.uniform(-1, 1, (5, wide.act_dim))
        expected = wide.step(action)
        step = some.step(action, running if t >= 3 else None)
        chosen = running if t >= 3 else np.ones(5, bool)
        by_itself = alone.step(action[[3]])
        for part, other in zip(rows(step, chosen), rows(expected, chosen), strict=True):
            np.testing.assert_array_equal(part, other)
        for part, other in zip(rows(step, [3]), rows(by_itself, [0]), strict=True):
            np.testing.assert_array_equal(part, other)
        if t >= 3:
            assert not any(part.any() for part in rows(step, ~running))


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_lane_that_stood_goes_on_from_where_it_was(name, settings):
    waited, straight = started(name, range(5), **settings), started(name, range(5), **settings)
    rng = np.random.default_rng(1)
    first, second = rng.uniform(-1, 1, (2, 5, waited.act_dim))
    waited.step(first)
    for _ in range(4):
        waited.step(rng.uniform(-1, 1, first.shape), np.arange(5) == 0)
    straight.step(first)
    late, early = waited.step(second), straight.step(second)
    for part, other in zip(rows(late, slice(1, 5)), rows(early, slice(1, 5)), strict=True):
        np.testing.assert_array_equal(part, other)


def test_an_instance_of_old_gym_is_not_stepped_while_its_lane_stands():
    env, _ = made(num_lanes=3)
    env.step(np.zeros((3, 1)), np.array([True, False, True]))
    assert [instance.clock for instance in env._instances] == [1, 0, 1]


def test_no_lane_may_run():
    env = started("cheetah-vel", range(2))
    before = env.unwrapped.qpos
    obs = env.step(np.ones((2, 6)), np.zeros(2, bool))[0]
    assert not obs.any()
    np.testing.assert_array_equal(env.unwrapped.qpos, before)


@pytest.mark.parametrize("running", [np.ones(3, bool), np.ones(2), np.array([0, 1])])
def test_a_mask_of_another_shape_or_type_is_refused(running):
    with pytest.raises(ValueError, match=r"running has shape .*, expected booleans \(2,\)"):
        started("point-robot", range(2)).step(np.zeros((2, 2)), running)


def test_a_class_can_cut_lanes_off_without_ending_their_task():
    env = LineWalk(4, num_envs=2, limit=3)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    steps = [env.step(np.zeros((2, 1))) for _ in range(3)]
    assert [step[3].tolist() for step in steps] == [[False, False]] * 2 + [[True, True]]
    assert not any(step[2].any() for step in steps)
