"""Speed and success of every task distribution that reports them, by hand."""

import numpy as np
import pytest
import torch

from rlkit.envs import ENVS, env_class, make_env

# environment -> outcome of a step (what is left out is 0), task, speed [m/s]
SPEEDS = {
    "cheetah-run": ([1.5], [], 1.5),
    "pets-halfcheetah": ([-1.5], [], -1.5),
    "cheetah-vel": ([1.5], [3.0], 1.5),
    "cheetah-vel-sparse": ([1.5], [3.0], 1.5),
    "ant-vel": ([0.7], [3.0], 0.7),
    "ant-vel-sparse": ([-0.7], [-1.0], -0.7),
    "cheetah-dir": ([1.5], [-1.0], -1.5),
    "ant-dir": ([1.0, 2.0], [0.6, 0.8], 2.2),
    "humanoid-dir": ([1.0, 2.0], [0.0, -1.0], -2.0),
    "hopper-rand-params": ([0.7], [], 0.7),
    "walker-rand-params": ([-0.7], [], -0.7),
}


def padded(numbers, size):
    return np.array([*numbers, *[0.0] * (size - len(numbers))])


@pytest.mark.parametrize("name", ENVS)
def test_speed_is_that_in_the_direction_of_the_task(name):
    env = make_env(name, n_tasks=env_class(name).fixed_n_tasks or 3)
    outcome, task, speed = SPEEDS.get(name, ([], [], None))
    outcome, task = padded(outcome, env.outcome_dim), padded(task, env.task_dim)
    if speed is None:
        assert env.speed(outcome, task) is None
    else:
        assert env.speed(outcome, task) == pytest.approx(speed)
        assert env.speed(np.tile(outcome, (5, 1, 1)), np.tile(task, (1, 7, 1))).shape == (5, 7)
        assert env.speed(torch.from_numpy(outcome), torch.from_numpy(task)).item() == pytest.approx(
            speed
        )
    env.close()


def test_success_of_the_sparse_point_robot_is_to_be_within_the_goals_radius():
    env = make_env("sparse-point-robot", n_tasks=3, goal_radius=0.3)
    positions = np.array([[0.7, 0.01], [0.71, 0.0], [0.69, 0.0], [1.0, 0.29]])
    assert env.success(positions, np.array([1.0, 0.0])).tolist() == [False, True, False, True]
    near = make_env("point-maml", n_tasks=3)
    places = np.array([[0.4, 0.0], [0.4, 0.009], [0.4, 0.011]])
    assert near.success(places, np.array([0.4, 0.0])).tolist() == [True, True, False]
    assert make_env("point-robot", n_tasks=3).success(positions, np.array([1.0, 0.0])) is None
