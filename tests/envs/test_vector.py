"""`gymnasium.make_vec` steps our tasks as one batch, with the same numbers as gymnasium's lanes."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import rlkit.envs
from rlkit.envs.vector import MetaVectorEnv

LANES, STEPS = 3, 300
assert rlkit.envs  # registers the ids


def pair(name, mode, **settings):
    """The batched environment and gymnasium's lanes of single ones."""
    batched = gymnasium.make_vec(f"rlkit/{name}-v0", LANES, autoreset_mode=mode, **settings)
    sync = gymnasium.make_vec(
        f"rlkit/{name}-v0", LANES, "sync", vector_kwargs={"autoreset_mode": mode}, **settings
    )
    return batched, sync


def assert_same(one, other):
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other:
            assert_same(one[key], other[key])
    elif np.asarray(other).dtype == object:
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs) if theirs is not None else None
            assert (mine is None) == (theirs is None)
    else:
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("name", ["FourCorners", "AntDir"])
def test_it_equals_lanes_of_single_environments_over_300_steps(name, mode):
    batched, sync = pair(name, mode)
    assert isinstance(batched, MetaVectorEnv)
    assert batched.metadata["autoreset_mode"] is sync.metadata["autoreset_mode"] is mode
    assert batched.action_space == sync.action_space
    assert batched.observation_space == sync.observation_space
    rng = np.random.default_rng(1)
    first = {"seed": 5, "options": {"task": 1}}
    for mine, theirs in zip(batched.reset(**first), sync.reset(**first), strict=True):
        assert_same(mine, theirs)
    ends = 0
    low, high = batched.action_space.low, batched.action_space.high
    for _ in range(STEPS):
        action = rng.uniform(low, high).astype(np.float32)
        found, expected = batched.step(action), sync.step(action)
        for mine, theirs in zip(found, expected, strict=True):
            assert_same(mine, theirs)
        ended = expected[2] | expected[3]
        ends += ended.sum()
        if mode is AutoresetMode.DISABLED and ended.any():
            for mine, theirs in zip(
                batched.reset(options={"reset_mask": ended}),
                sync.reset(options={"reset_mask": ended}),
                strict=True,
            ):
                assert_same(mine, theirs)
    assert ends >= LANES
    batched.close()
    sync.close()


def test_a_task_is_chosen_for_each_lane():
    env = gymnasium.make_vec("rlkit/PointRobot-v0", LANES, n_tasks=6)
    tasks = env.unwrapped.meta_env.tasks
    assert env.reset(seed=0, options={"task": [4, 0, 2]})[1]["task"].tolist() == [4, 0, 2]
    obs, reward, *_, info = env.step(np.zeros((LANES, 2), np.float32))
    np.testing.assert_allclose(reward, -np.linalg.norm(obs - tasks[[4, 0, 2]], axis=1), rtol=1e-6)
    mask = np.array([False, True, False])
    env.reset(options={"task": [1, 5, 1], "reset_mask": mask})
    info = env.step(np.zeros((LANES, 2), np.float32))[4]
    assert info["task"].tolist() == [4, 5, 2]


def test_an_episode_ends_at_the_time_limit_that_is_asked_for():
    env = gymnasium.make_vec("rlkit/PointRobot-v0", LANES, max_episode_steps=3)
    env.reset(seed=0)
    truncated = [env.step(np.zeros((LANES, 2), np.float32))[3].tolist() for _ in range(4)]
    assert truncated == [[False] * 3, [False] * 3, [True] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"tsk": 1}}, "the only ones known are 'task' and 'reset_mask'"),
        ({"options": {"task": [0, 1]}}, r"task has shape \(2,\), expected a number or one"),
        ({"options": {"task": 9}}, "expected numbers from 0 to 3"),
        ({"seed": [1, 2]}, "2 seeds for 3 lanes"),
        ({"options": {"reset_mask": [True]}}, r"expected booleans \(3,\)"),
    ],
)
def test_bad_arguments_of_a_reset_are_refused(arguments, message):
    env = MetaVectorEnv("point-robot", LANES, n_tasks=4)
    with pytest.raises(ValueError, match=message):
        env.reset(**arguments)


def test_a_lane_that_has_ended_must_be_reset_where_nobody_else_does():
    env = MetaVectorEnv(
        "point-robot", LANES, n_tasks=4, max_episode_steps=1, autoreset_mode="Disabled"
    )
    env.reset(seed=0)
    env.step(np.zeros((LANES, 2)))
    with pytest.raises(ValueError, match=r"lanes \[0, 1, 2\] have ended"):
        env.step(np.zeros((LANES, 2)))


def test_lanes_are_drawn():
    env = gymnasium.make_vec("rlkit/PointRobot-v0", LANES, render_mode="rgb_array")
    env.reset(seed=0)
    frames = env.render()
    assert len(frames) == LANES and frames[0].shape == (480, 480, 3)
    assert (frames[0] != frames[1]).any()
    env.close()
