"""Scaled actions, and the view of one lane as a gymnasium environment."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlkit.envs import make_env
from rlkit.envs.point_robot import PointRobot
from rlkit.envs.wrapper import NormalizedBoxEnv
from rlkit.envs.wrappers import SingleEnv

REGISTERED = [
    "rlkit/CheetahDir-v0",
    "rlkit/CheetahVel-v0",
    "rlkit/PointRobot-v0",
    "rlkit/SparsePointRobot-v0",
]


def started(env, seed=0):
    env.reset_task([0])
    env.reset([np.random.default_rng(seed)])
    return env


@pytest.mark.parametrize(
    ("action", "moved"),
    [
        ([1, -1], [0.1, -0.1]),
        ([0, 0.5], [0, 0.05]),
        ([2, -7], [0.1, -0.1]),
        ([-0.3, 0.1], [-0.03, 0.01]),
    ],
)
def test_actions_are_mapped_linearly_to_the_box_and_clipped(action, moved):
    plain, scaled = (
        PointRobot(1, dtype=np.float64),
        NormalizedBoxEnv(PointRobot(1, dtype=np.float64)),
    )
    before = started(plain).step(np.zeros((1, 2)))[0]
    np.testing.assert_allclose(started(scaled).step([action])[0] - before, [moved], atol=1e-15)


def test_the_control_cost_is_that_of_the_scaled_action():
    env = started(make_env("cheetah-vel", n_tasks=1))
    assert env.step(np.full((1, 6), 3.0))[4]["outcome"][0, 1] == 6


def test_the_wrapper_answers_for_the_environment():
    env = make_env("point-robot", n_tasks=4, num_envs=3)
    assert (env.n_tasks, env.num_envs, env.name, env.obs_dim) == (4, 3, "point-robot", 2)
    assert env.single_action_space == gymnasium.spaces.Box(-1, 1, (2,))
    assert env.action_high.tolist() == [1, 1]
    assert copy.deepcopy(env).n_tasks == 4


def test_bad_actions_are_refused_before_they_are_clipped():
    env = started(make_env("point-robot", n_tasks=1))
    with pytest.raises(ValueError, match="not finite"):
        env.step([[np.inf, 0]])
    with pytest.raises(ValueError, match="shape"):
        env.step([0, 0])


@pytest.mark.parametrize("name", REGISTERED)
def test_gymnasiums_check_finds_nothing_but_unbounded_observations(name, recwarn):
    """Positions and velocities have no bound that would mean anything, so the space has none and
    gymnasium says so twice.
    """
    check_env(gymnasium.make(name).unwrapped, skip_render_check=True)
    messages = [str(warning.message) for warning in recwarn]
    assert len(messages) == 2
    assert all("observation space" in message and "infinity" in message for message in messages)


@pytest.mark.parametrize("name", REGISTERED)
def test_made_environments_are_truncated_at_the_customary_horizon(name):
    env = gymnasium.make(name)
    env.reset(seed=0)
    steps, truncated = 0, False
    while not truncated:
        _, _, _, truncated, _ = env.step(
            env.action_space.sample()
        )  # a lane may be stepped on after its episode has ended
        steps += 1
    assert steps == env.unwrapped.meta_env.max_episode_steps
    env.close()


def test_a_task_is_selected_by_an_option_and_stays():
    env = SingleEnv(make_env("point-robot", normalize=False, n_tasks=5))
    assert env.reset(seed=1)[1] == {"task": 0}
    assert env.reset(options={"task": 3})[1] == {"task": 3}
    obs, reward, _, _, info = env.step(np.zeros(2, np.float32))
    assert info["task"] == 3
    assert reward == pytest.approx(-np.linalg.norm(obs - env.meta_env.tasks[3]), rel=1e-6)
    assert env.reset()[1] == {"task": 3}


def test_a_seeded_reset_draws_what_the_batched_environment_draws_from_that_generator():
    env = SingleEnv(make_env("cheetah-vel", normalize=False, n_tasks=2))
    obs, _ = env.reset(seed=11)
    batched = make_env("cheetah-vel", n_tasks=2)
    batched.reset_task([0])
    expected = batched.reset([gymnasium.utils.seeding.np_random(11)[0]])
    np.testing.assert_array_equal(obs, expected[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tsk": 1}, r"options are \['tsk'\]"), ({"task": 9}, "expected numbers from 0 to 4")],
)
def test_bad_reset_options_are_refused(options, message):
    env = SingleEnv(make_env("point-robot", n_tasks=5))
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)


def test_a_render_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="render_mode is 'rgb_array', but line-walk has none"):
        SingleEnv(make_env("tests.envs.own_task:LineWalk", n_tasks=1), render_mode="rgb_array")
    with pytest.raises(ValueError, match=r"render_mode is 'human', but point-robot has \['rgb"):
        SingleEnv(make_env("point-robot", n_tasks=1), render_mode="human")


@pytest.mark.parametrize("name", ["PointRobot", "SparsePointRobot", "FourCorners"])
def test_point_robots_are_drawn_where_they_are(name):
    env = gymnasium.make(f"rlkit/{name}-v0", render_mode="rgb_array")
    env.reset(seed=0)
    robot = env.unwrapped.meta_env
    pictures = []
    for place in ([0.5, 0.0], [0.5, 0.0], [-0.5, 0.0]):
        obs = robot.set_state([place])
        np.testing.assert_array_equal(obs, [place])
        np.testing.assert_array_equal(robot.get_state(0), place)
        pictures.append(env.render())
    assert pictures[0].shape == (480, 480, 3) and pictures[0].dtype == np.uint8
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \(1, 2\)"):
        robot.set_state([[0, 0, 0]])


def test_success_is_in_the_info_where_a_task_knows_it():
    env = gymnasium.make("rlkit/SparsePointRobot-v0")
    env.reset(seed=0)
    robot = env.unwrapped.meta_env
    robot.set_state(robot.tasks[:1])
    assert env.step(np.zeros(2, np.float32))[4]["success"] is True
    robot.set_state([[0.0, 0.0]])
    assert env.step(np.zeros(2, np.float32))[4]["success"] is False
    env = gymnasium.make("rlkit/PointRobot-v0")
    env.reset(seed=0)
    assert "success" not in env.step(np.zeros(2, np.float32))[4]
