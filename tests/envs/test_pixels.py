"""Pictures as observations: stacks that begin with each episode, pictures that tell where a body is
but not its task.
"""

import numpy as np
import pytest

from rlkit.envs import make_env
from rlkit.envs.pixels import PixelObservation, check_drawable
from tests.toy import CountingEnv

SIZE, FRAMES = 16, 3


def pixel_env(name="point-robot", num_envs=3, size=SIZE, **options):
    """Wrapped, or the test is skipped where nothing can be drawn."""
    try:
        return PixelObservation(
            make_env(name, n_tasks=4, num_envs=num_envs, **options), size, FRAMES
        )
    except ValueError as error:
        pytest.skip(str(error))


def generators(count, first=0):
    return [np.random.default_rng(first + i) for i in range(count)]


def as_stacks(obs):
    return obs.reshape(len(obs), FRAMES, -1)


def robot_at(picture):
    """Where the red disc of a point robot is, (x, y): the centre of its pixels, weighted by their
    redness.
    """
    pixel = 4 / len(picture)
    weight = np.clip(picture[..., 0].astype(float) - picture[..., 1], 0, None)
    row, column = (np.arange(len(picture)) * weight.sum(axis=axis) for axis in (1, 0))
    return pixel * (column.sum() / weight.sum() + 0.5) - 2, 2 - pixel * (
        row.sum() / weight.sum() + 0.5
    )


def test_observations_are_the_last_pictures_of_each_lane_and_the_first_is_repeated():
    env = pixel_env()
    env.reset_task([0, 1, 2])
    seen = [as_stacks(env.reset(generators(3)))]
    assert (seen[0].dtype, seen[0].shape) == (np.uint8, (3, FRAMES, SIZE * SIZE * 3))
    for t in range(4):
        obs, _, _, _, info = env.step(np.full((3, 2), 0.3 * (t + 1)))
        assert set(info) == {"outcome", "sparse_reward", "diverged"}
        seen.append(as_stacks(obs))
    newest = [stack[:, -1] for stack in seen]
    for t, stack in enumerate(seen):
        for place in range(FRAMES):
            assert np.array_equal(stack[:, place], newest[max(0, t - (FRAMES - 1 - place))])
    assert not np.array_equal(newest[0], newest[-1])


def test_a_lane_that_begins_anew_disturbs_no_other():
    env = pixel_env()
    env.reset_task([0, 1, 2])
    env.reset(generators(3))
    before = as_stacks(env.step(np.ones((3, 2)))[0])
    begun = as_stacks(env.reset(generators(1, first=9), [1]))
    assert (begun == begun[:, :1]).all()
    after = as_stacks(env.step(np.ones((3, 2)))[0])
    assert np.array_equal(after[[0, 2], :-1], before[[0, 2], 1:])
    assert np.array_equal(after[1, :-1], begun[0, 1:])


@pytest.mark.parametrize(
    "name", ["point-robot", pytest.param("cheetah-vel", marks=pytest.mark.render)]
)
def test_lanes_see_what_a_single_one_sees(name):
    many, single = pixel_env(name), pixel_env(name, num_envs=1)
    many.reset_task([3, 0, 2])
    many.reset(generators(3))
    actions = np.random.default_rng(5).uniform(-1, 1, (3, 3, many.act_dim))
    wide = [many.step(action)[0] for action in actions]
    for lane, task in enumerate([3, 0, 2]):
        single.reset_task([task])
        single.reset([generators(3)[lane]])
        for step, action in enumerate(actions):
            assert np.array_equal(single.step(action[lane : lane + 1])[0][0], wide[step][lane])
    many.close()
    single.close()


@pytest.mark.parametrize(
    "name", ["point-robot", pytest.param("cheetah-vel", marks=pytest.mark.render)]
)
def test_what_the_task_asks_for_is_not_in_the_picture(name):
    env = pixel_env(name)
    env.reset_task([0, 1, 2])
    first = env.reset([np.random.default_rng(1) for _ in range(3)])
    assert np.array_equal(first, np.repeat(first[:1], 3, axis=0))
    env.close()


def test_a_picture_tells_where_a_point_robot_is_to_a_fraction_of_a_pixel():
    env = make_env("point-robot", n_tasks=2, num_envs=64)
    env.reset_task([0] * 64)
    positions = env.reset(generators(64))
    pictures = env.draw(np.arange(64), 32)
    found = np.array([robot_at(picture) for picture in pictures])
    assert np.abs(found - positions).max() < 0.4 * 4 / 32


def test_a_point_robot_out_of_view_is_drawn_on_the_rim():
    env = make_env("sparse-point-robot", n_tasks=2, num_envs=1)
    env.reset_task([0])
    env.reset(generators(1))
    for _ in range(50):
        env.step([[-1.0, 0.0]])
    redness = (
        env.draw(np.array([0]), 32)[0, :, :, 0].astype(int)
        - env.draw(np.array([0]), 32)[0, :, :, 1]
    )
    assert redness[:, 0].max() > 100
    assert redness[:, 3:].max() <= 0


@pytest.mark.render
def test_pictures_of_mujoco_lanes_follow_their_own_bodies():
    env = pixel_env("cheetah-vel", size=64)
    env.reset_task([0, 0, 0])
    pictures = as_stacks(env.reset(generators(3)))[:, -1].reshape(3, 64, 64, 3)
    for picture in pictures:
        assert (
            picture[..., 0].astype(int) - picture[..., 2] > 40
        ).sum() > 30  # the cheetah's colours; floor and sky are grey
    assert not np.array_equal(pictures[0], pictures[1])
    env.close()


def test_the_wrapper_says_what_it_shows():
    env = pixel_env()
    assert (env.obs_dim, env.recorded_dim) == (FRAMES * SIZE * SIZE * 3, SIZE * SIZE * 3)
    assert env.single_observation_space.dtype == np.uint8
    assert (env.act_dim, env.n_tasks, env.name) == (2, 4, "point-robot")
    assert make_env("point-robot", n_tasks=4).recorded_dim == 2


def test_an_environment_that_cannot_be_drawn_is_refused():
    env = CountingEnv()
    env.name = "counting"
    with pytest.raises(
        ValueError,
        match=r"counting cannot be drawn: expected a MuJoCo model, or a method draw\(lanes, size\)",
    ):
        check_drawable(env)
