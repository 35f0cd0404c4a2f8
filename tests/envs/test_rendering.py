"""Frames: shape, content, camera, floor, and one message where nothing can be drawn."""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from rlkit.envs import env_class, make_env
from rlkit.envs.opengl import open_gl_context
from rlkit.envs.rendering import Renderer

BODIES = [
    "cheetah-vel",
    "ant-dir",
    "ant-goal",
    "humanoid-dir",
    "hopper-rand-params",
    "walker-rand-params",
    "pets-cartpole",
    "pets-pusher",
    "pets-reacher",
]


def started(name="cheetah-vel"):
    env = make_env(name, n_tasks=env_class(name).fixed_n_tasks or 2, num_envs=2)
    env.reset_task([0, 1 % env.n_tasks])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    return env


def opened(env, **options):
    try:
        return Renderer(env, **options)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def renderer():
    with opened(started(), width=160, height=120) as shared:
        yield shared


def body_pixels(picture):
    """How many pixels are of the cheetah's colours (red well above blue).

    Floor and sky are grey.
    """
    return int((picture[..., 0].astype(int) - picture[..., 2] > 40).sum())


def in_picture(renderer, points):
    """Where points [n, 3] appear, in half widths of the picture from its centre, [n, 2].

    Outside ±1 they are not seen.
    """
    camera = renderer._camera
    azimuth, elevation = np.radians([camera.azimuth, camera.elevation])
    forward = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    seen_from = camera.lookat - camera.distance * forward
    assert seen_from[2] > 0, "the camera is under the floor"
    axes = np.stack([right, np.cross(right, forward)], axis=1)
    focal = 1 / np.tan(np.radians(renderer._model.vis.global_.fovy / 2))
    return focal * ((points - seen_from) @ axes) / ((points - seen_from) @ forward)[:, None]


@pytest.mark.render
def test_a_frame_shows_the_body(renderer):
    picture = renderer.frame(1)
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8
    assert body_pixels(picture) > 200


@pytest.mark.render
@pytest.mark.parametrize("name", BODIES)
def test_the_whole_body_stays_in_the_picture(name):
    env = started(name)
    rng = np.random.default_rng(0)
    with opened(env, width=64, height=64) as renderer:
        for step in range(40):
            env.step(rng.uniform(-1, 1, (2, env.act_dim)))
            if step % 5 == 0:
                renderer.frame(0)
                assert np.abs(in_picture(renderer, renderer._data.xpos[1:])).max() < 0.95
    env.close()


@pytest.mark.render
def test_the_camera_follows_the_body(renderer):
    qpos, qvel = renderer.env.get_state(0)
    near = renderer.render_state(qpos, qvel)
    qpos[0] += 25
    far = renderer.render_state(qpos, qvel)
    assert body_pixels(far) == pytest.approx(body_pixels(near), rel=0.1)


@pytest.mark.render
def test_squares_of_one_metre_pass_below_the_body_and_have_no_end(renderer):
    qpos, qvel = renderer.env.get_state(0)
    pictures = []
    for x in (0.0, 1.0, 2.0, 200.0, 200.7):
        qpos[0] = x
        pictures.append(renderer.render_state(qpos, qvel).astype(int))
    here, one, two, far, further = pictures
    floor = np.s_[70:]
    for same in (two, far):
        np.testing.assert_allclose(
            same[floor], here[floor], atol=3
        )  # a dark and a bright square further on
    for other in (one, further):
        assert np.abs(other[floor] - here[floor]).mean() > 5


@pytest.mark.render
def test_the_camera_does_not_follow_small_ups_and_downs(renderer):
    qpos, qvel = renderer.env.get_state(0)
    heights = []
    for rise in (0.0, 0.3, 3.0):
        qpos[1] = rise
        renderer.render_state(qpos, qvel)
        heights.append(renderer._camera.lookat[2])
    assert heights[0] == heights[1] < heights[2] - 2


@pytest.mark.render
def test_drawing_leaves_simulation_and_model_alone(renderer):
    before = renderer.env.get_state(0)
    model = renderer.env.model
    looks = [np.copy(getattr(model, name)) for name in ("geom_size", "mat_texrepeat", "tex_data")]
    renderer.frame(0)
    np.testing.assert_array_equal(before, renderer.env.get_state(0))
    for name, look in zip(("geom_size", "mat_texrepeat", "tex_data"), looks, strict=True):
        np.testing.assert_array_equal(getattr(model, name), look)
    assert (renderer._model.geom_size != looks[0]).any(), "what is drawn is a copy"


@pytest.mark.render
def test_high_quality_has_shadows():
    env = started("ant-goal")
    pictures = []
    for quality in ("fast", "high"):
        with opened(env, width=64, height=64, quality=quality) as renderer:
            pictures.append(renderer.render_state(*env.unwrapped.get_state(0)))
    assert (pictures[1].max(axis=-1) < 60).sum() > (pictures[0].max(axis=-1) < 60).sum() + 20
    env.close()


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


@pytest.mark.skipif(
    "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ, reason="there is a display"
)
def test_a_missing_display_is_noticed_before_anything_is_drawn(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "glfw")  # still opens a context, which fails when it is used
    with pytest.raises(ValueError, match="Tried glfw: .*OpenGL"):
        open_gl_context(8, 8)


def test_a_library_chosen_by_the_user_that_does_not_work_is_named():
    done = subprocess.run(
        [sys.executable, "-c", "from rlkit.envs import env_class; env_class('cheetah-vel')"],
        env={**os.environ, "MUJOCO_GL": "nonsense", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (
        "ValueError: mujoco cannot be imported with MUJOCO_GL=nonsense"
        in done.stderr.splitlines()[-1]
    )


def test_an_environment_without_a_simulation_cannot_be_rendered():
    with pytest.raises(ValueError, match="point-robot has no MuJoCo model"):
        Renderer(make_env("point-robot", n_tasks=1))


def test_an_unknown_quality_is_refused():
    with pytest.raises(ValueError, match="quality is 'best', expected one of fast, high"):
        Renderer(started(), quality="best")
