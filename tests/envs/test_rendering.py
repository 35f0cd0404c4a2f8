"""Frames: shape, content, a camera that follows, and one clear message where nothing can be drawn."""

import gymnasium
import numpy as np
import pytest

from rlkit.envs import make_env
from rlkit.envs.rendering import Renderer, open_gl_context


def started():
    env = make_env("cheetah-vel", n_tasks=2, num_envs=2)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    return env


@pytest.fixture(scope="module")
def renderer():
    try:
        opened = Renderer(started(), width=160, height=120)
    except ValueError as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


def body_pixels(picture):
    """How many pixels are of the cheetah's colours (red well above blue); floor and sky are grey."""
    return int((picture[..., 0].astype(int) - picture[..., 2] > 40).sum())


@pytest.mark.render
def test_a_frame_shows_the_body(renderer):
    picture = renderer.frame(1)
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    assert body_pixels(picture) > 200


@pytest.mark.render
def test_the_camera_follows_the_body(renderer):
    qpos, qvel = renderer.env.get_state(0)
    near = renderer.render_state(qpos, qvel)
    qpos[0] += 25
    far = renderer.render_state(qpos, qvel)
    assert body_pixels(far) == pytest.approx(body_pixels(near), rel=0.1)


@pytest.mark.render
def test_drawing_leaves_the_simulation_alone(renderer):
    before = renderer.env.get_state(0)
    renderer.frame(0)
    np.testing.assert_array_equal(before, renderer.env.get_state(0))


@pytest.mark.render
def test_the_registered_environment_renders(renderer):
    env = gymnasium.make("rlkit/CheetahVel-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (480, 480, 3)
    env.close()


def test_without_an_opengl_library_there_is_one_clear_message(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(ValueError, match=r"no OpenGL library works here.*libegl1.*Tried disable"):
        open_gl_context(8, 8)


def test_an_environment_without_a_simulation_cannot_be_rendered():
    with pytest.raises(ValueError, match="point-robot has no MuJoCo model"):
        Renderer(make_env("point-robot", n_tasks=1))


def test_an_unknown_quality_is_refused():
    with pytest.raises(ValueError, match="quality is 'best', expected one of fast, high"):
        Renderer(started(), quality="best")
