"""Videos of environments that render themselves: recorded images and rejected cases."""

import numpy as np
import pytest

from rlkit.core.errors import UserError
from rlkit.envs import make_env
from rlkit.envs.class_pictures import frames_per_second, picture_of
from rlkit.envs.faults import EnvironmentFault
from rlkit.visualization.pictured import recorded
from rlkit.visualization.video import FilmedEnv
from tests.public_classes import Plane, strip


class Turns:
    """Draws only by `render`, always into the same array."""

    def __init__(self):
        self.picture = np.zeros((4, 6, 3), np.uint8)

    def render(self):
        self.picture += 1
        return self.picture


class Torn(Plane):
    def draw(self, lanes, size):
        return super().draw(lanes, size).astype(float)


def generators(n):
    return [np.random.default_rng(lane) for lane in range(n)]


def test_pictures_are_taken_of_running_lanes_with_the_wanted_tasks():
    env = recorded(make_env("point-robot", n_tasks=5, num_envs=3), [2, 4])
    env.reset_task([4, 1, 2])
    env.reset(generators(3))
    for running in (None, np.array([True, True, False]), np.array([False, True, False])):
        env.step(np.ones((3, 2)), running)
    env.reset_task([2])
    env.reset(generators(1))
    with env._artist(480, 480, "fast") as pictures:
        shown = [list(pictures(task, n)) for task, n in ((4, 0), (2, 0), (2, 1))]
    assert [len(frames) for frames in shown] == [3, 2, 1]
    whole = make_env("point-robot", n_tasks=5, num_envs=3)
    whole.reset_task([4, 1, 2])
    whole.reset(generators(3))
    np.testing.assert_array_equal(shown[0][0], whole.draw(np.array([0]), 480)[0])
    whole.step(np.ones((3, 2)))
    np.testing.assert_array_equal(shown[1][1], whole.draw(np.array([2]), 480)[0])


def test_a_film_has_the_sides_of_its_first_picture_in_multiples_of_sixteen():
    env = recorded(make_env("point-robot", n_tasks=2), [0])
    sizes = iter([(30, 100), (50, 50)])
    env._paint = lambda lane: strip(0, *next(sizes))
    env.reset_task([0])
    env.reset(generators(1))
    env.step(np.ones((1, 2)))
    with env._artist(480, 480, "fast") as pictures:
        assert [frame.shape for frame in pictures(0, 0)] == [(144, 480, 3)] * 2


def test_simulations_are_drawn_afterwards():
    assert isinstance(recorded(make_env("cheetah-vel", n_tasks=2), [0]), FilmedEnv)


def test_a_picture_is_a_copy():
    turns = Turns()
    first, second = picture_of("turns", turns), picture_of("turns", turns)
    assert first.max() == 1 and second.max() == 2


def test_a_method_draw_that_gives_no_pictures_is_told_so():
    env = recorded(make_env(f"{__name__}:Torn", n_tasks=2), [0])
    env.reset_task([0])
    with pytest.raises(EnvironmentFault, match=r"draw gave an array of float64.*\(lanes 0, step 0"):
        env.reset(generators(1))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match="line-walk cannot be drawn; expected a MuJoCo model"):
        recorded(make_env("tests.envs.own_task:LineWalk", n_tasks=2), [0])


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"render_fps": 25}, 25),
        ({"video.frames_per_second": 50}, 50),
        ({"render_fps": 0}, 10),
        ({"render_fps": "fast"}, 10),
        ({}, 10),
        (None, 10),
    ],
)
def test_the_class_says_how_fast_it_is_shown(metadata, expected):
    instance = Turns()
    instance.metadata = metadata
    assert frames_per_second(instance) == expected
