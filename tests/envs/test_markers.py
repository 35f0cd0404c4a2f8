"""Markers of tasks agree with the reward and are drawn in the right place."""

import mujoco
import numpy as np
import pytest

from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.markers import Ball, Direction, Disc, Goal, Pace
from rlkit.envs.rendering import Renderer

NAMES = sorted(name for name in ENVS if env_class(name).has_simulation)


def started(name, n_tasks=2, **settings):
    env = make_env(name, n_tasks=n_tasks, num_envs=2, **settings)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    return env


def opened(env, **options):
    try:
        return Renderer(env, width=200, height=200, **options)
    except ValueError as error:
        pytest.skip(str(error))


def best(env, outcomes, task_id):
    """The outcome with the highest reward for the task."""
    return outcomes[np.argmax(env.compute_reward(outcomes, env.tasks[task_id])[0])]


def green_places(renderer, marker, height):
    """World (x, y) of the marker's pixels at this height, seen from above; [n, 2]."""
    camera = renderer._camera
    camera.elevation, camera.distance = -89.999, 9.0
    rest = renderer.env.model.qpos0
    without = renderer.render_state(rest, rest)
    pictures = renderer.render_state(rest, rest, marker).astype(int)
    green = pictures[..., 1] - pictures[..., 0] > 40
    assert not ((without[..., 1].astype(int) - without[..., 0] > 40).any()), "nothing else is green"
    rows, columns = np.nonzero(green)
    depth = 9.0 + camera.lookat[2] - height
    metre = 100 / np.tan(np.radians(renderer._model.vis.global_.fovy / 2)) / depth
    return np.stack(
        [(columns - 99.5) / metre + camera.lookat[0], (99.5 - rows) / metre + camera.lookat[1]],
        axis=1,
    )


@pytest.mark.parametrize("name", ["ant-dir", "humanoid-dir"])
def test_the_shown_direction_is_the_one_that_the_reward_wants(name):
    env = make_env(name, n_tasks=5)
    angles = np.arange(0, 2 * np.pi, 2 * np.pi / 3600)
    outcomes = np.zeros((len(angles), env.outcome_dim))
    outcomes[:, 0], outcomes[:, 1] = np.cos(angles), np.sin(angles)
    for task_id in range(5):
        marker = env.unwrapped.marker(task_id)
        np.testing.assert_allclose(
            [marker.x, marker.y], best(env, outcomes, task_id)[:2], atol=2e-3
        )
        shown = int(env.describe_task(task_id).removeprefix("go in direction ").removesuffix("°"))
        assert np.cos(np.radians(shown)) == pytest.approx(marker.x, abs=0.01)
        assert np.sin(np.radians(shown)) == pytest.approx(marker.y, abs=0.01)


def test_the_cheetahs_arrow_points_to_the_rewarded_side():
    env = make_env("cheetah-dir", n_tasks=2)
    outcomes = np.array([[-1.0, 0.0], [1.0, 0.0]])
    for task_id, text in enumerate(("run backward", "run forward")):
        assert env.unwrapped.marker(task_id) == Direction(best(env, outcomes, task_id)[0], 0.0)
        assert env.describe_task(task_id) == text


@pytest.mark.parametrize("name", ["ant-goal", "ant-goal-ring"])
def test_the_shown_goal_is_the_place_of_the_greatest_reward(name):
    env = make_env(name, n_tasks=3)
    grid = np.linspace(-3, 3, 301)
    outcomes = np.zeros((301, 301, env.outcome_dim))
    outcomes[..., 0], outcomes[..., 1] = np.meshgrid(grid, grid)
    for task_id in range(3):
        marker = env.unwrapped.marker(task_id)
        np.testing.assert_allclose(
            [marker.x, marker.y],
            best(env, outcomes.reshape(-1, env.outcome_dim), task_id)[:2],
            atol=0.011,
        )
        assert env.describe_task(task_id) == f"go to ({marker.x:.2f}, {marker.y:.2f}) m"


@pytest.mark.parametrize("name", ["ant-vel", "ant-vel-sparse", "cheetah-vel", "cheetah-vel-sparse"])
def test_the_runner_keeps_to_the_velocity_of_the_greatest_reward(name):
    env = make_env(name, n_tasks=3)
    outcomes = np.zeros((6001, env.outcome_dim))
    outcomes[:, 0] = np.linspace(-3, 3, 6001)
    start = np.full(env.unwrapped.model.nq, 0.07)
    for task_id in range(3):
        wanted = best(env, outcomes, task_id)[0]
        marker = env.unwrapped.marker(task_id, start, elapsed=4.0)
        assert marker.velocity == pytest.approx(wanted, abs=1e-3)
        assert marker.runner == pytest.approx(0.07 + 4.0 * wanted, abs=4e-3)
        assert env.unwrapped.marker(task_id).runner is None, "without a start there is no runner"
        assert env.describe_task(task_id) == f"run at {marker.velocity:.2f} m/s"


@pytest.mark.parametrize("name", ["hopper-rand-params", "walker-rand-params"])
def test_a_task_of_dynamics_is_told_by_its_mass(name):
    env = make_env(name, n_tasks=2)
    env.tasks[1] = 1.0
    total = mujoco.mj_getTotalmass(env.unwrapped.model)
    assert env.unwrapped.marker(1) is None
    assert env.describe_task(1) == f"{total:.1f} kg, 100% of the base model"
    env.reset_task([0])
    lane_mass = env.unwrapped.random_env.scaled(env.tasks[0].astype(np.float64))["body_mass"].sum()
    assert env.describe_task(0).startswith(f"{lane_mass:.1f} kg, {lane_mass / total:.0%} ")


@pytest.mark.parametrize("name", [name for name in NAMES if env_class(name).fixed_n_tasks == 1])
def test_an_only_task_has_a_short_description(name):
    assert 10 < len(make_env(name, n_tasks=1).describe_task(0)) < 40


@pytest.mark.parametrize("name", [name for name in NAMES if env_class(name).fixed_n_tasks != 1])
def test_each_task_has_a_short_description_of_its_own(name):
    env = make_env(name, n_tasks=2)
    first, second = env.describe_task(0), env.describe_task(1)
    assert first != second
    assert max(len(first), len(second)) < 40


@pytest.mark.render
@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (-1, 0), (0, -1), (0.6, -0.8)])
def test_an_arrow_lies_on_the_floor_in_its_direction(direction):
    with opened(started("cheetah-dir")) as renderer:
        places = green_places(renderer, Direction(*direction), height=0.06)
        reach = 0.375 * renderer._camera.distance
    along, across = places @ np.array(direction), places @ np.array([-direction[1], direction[0]])
    assert along.max() == pytest.approx(
        reach, abs=0.25
    )  # the last part of the tip is finer than a pixel
    assert along.min() == pytest.approx(0.4 * reach, abs=0.06)
    assert abs(across).max() < 0.15


@pytest.mark.render
def test_the_goal_is_drawn_at_its_place():
    with opened(started("ant-goal")) as renderer:
        places = green_places(renderer, Goal(1.2, -2.1), height=0.02)
    at_goal = places[np.abs(places - (1.2, -2.1)).max(axis=1) < 0.3]
    assert len(at_goal) > 50
    np.testing.assert_allclose(
        (at_goal.min(axis=0) + at_goal.max(axis=0)) / 2, (1.2, -2.1), atol=0.06
    )


@pytest.mark.render
def test_a_goal_is_as_wide_as_its_radius():
    env = started("ant-goal-ring")
    assert env.unwrapped.marker(0).radius == 0.8
    with opened(env) as renderer:
        places = green_places(renderer, Goal(0.0, 1.5, radius=0.8), height=0.02)
    beyond = places[places[:, 1] > 1.5]  # the ant and the line are on the other side
    np.testing.assert_allclose(
        [beyond[:, 0].min(), beyond[:, 0].max(), beyond[:, 1].max()], [-0.8, 0.8, 2.3], atol=0.08
    )


@pytest.mark.render
@pytest.mark.parametrize(
    ("marker", "height", "radius"),
    [(Ball(1.2, -1.5, 0.6, 0.3), 0.6, 0.3), (Disc(1.2, -1.5, 0.4), 0.0, 0.4)],
)
def test_a_place_is_drawn_as_wide_as_counts_as_there(marker, height, radius):
    with opened(started("ant-goal")) as renderer:
        places = green_places(renderer, marker, height)
    low, high = places.min(axis=0), places.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (1.2, -1.5), atol=0.06)
    np.testing.assert_allclose(high - low, 2 * radius, atol=0.12)


@pytest.mark.parametrize("name", ["sawyer-reach", "sawyer-push"])
def test_the_shown_place_of_the_sawyer_arm_is_where_the_task_succeeds(name):
    env = make_env(name, n_tasks=3)
    for task_id in range(3):
        marker = env.unwrapped.marker(task_id)
        outcome = np.zeros(env.outcome_dim)
        place = outcome[:3] if name == "sawyer-reach" else outcome[3:6]
        for factor, inside in ((0.99, True), (1.01, False)):
            place[:] = marker.x + factor * marker.radius, marker.y, getattr(marker, "z", 0.0)
            assert env.success(outcome, env.tasks[task_id].astype(np.float64)) == inside


@pytest.mark.render
def test_a_pace_is_an_arrow_of_half_a_second_beside_the_body_and_a_runner():
    with opened(started("cheetah-vel")) as renderer:
        arrow = green_places(renderer, Pace(2.4), height=0.06)
        both = green_places(renderer, Pace(2.4, runner=-1.5), height=0.06)
    np.testing.assert_allclose([arrow[:, 0].min(), arrow[:, 0].max()], [0.0, 1.2], atol=0.1)
    assert (arrow[:, 1] < -0.3).all()
    runner = both[both[:, 0] < -0.5]
    assert len(runner) > 5
    assert runner[:, 0].max() == pytest.approx(-1.5, abs=0.15)


@pytest.mark.render
def test_a_lane_is_drawn_with_its_own_task():
    env = started("cheetah-dir")
    same = np.zeros((2, env.unwrapped.model.nq)), np.zeros((2, env.unwrapped.model.nv))
    env.unwrapped.set_state(*same)
    with opened(env) as renderer:
        backward, forward = renderer.frame(0).astype(int), renderer.frame(1).astype(int)
    columns = [
        np.nonzero(picture[..., 1] - picture[..., 0] > 40)[1].mean()
        for picture in (backward, forward)
    ]
    assert columns[0] < 80
    assert columns[1] > 120


@pytest.mark.render
def test_a_marker_that_goes_along_stays_at_the_same_place_of_the_picture():
    env = started("cheetah-dir")
    qpos = env.unwrapped.model.qpos0.copy()
    with opened(env) as renderer:
        near = renderer.render_state(qpos, qpos, env.unwrapped.marker(1)).astype(int)
        qpos[0] = 50.0
        far = renderer.render_state(qpos, qpos, env.unwrapped.marker(1)).astype(int)
    np.testing.assert_array_equal(near[..., 1] - near[..., 0] > 40, far[..., 1] - far[..., 0] > 40)
