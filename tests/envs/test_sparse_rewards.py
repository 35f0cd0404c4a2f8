"""Every task declares correctly whether it has a sparse reward."""

import numpy as np
import pytest

from rlkit.envs import ENVS, env_class, make_env, names_with_sparse_rewards
from rlkit.envs.point_robot import PointRobot
from tests.envs.old_gym_toys import Toy, made
from tests.envs.own_task import LineWalk

NUM_LANES, STEPS = 40, 10


@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_task_declares_a_sparse_reward_if_and_only_if_it_gives_one(name):
    """On what random steps lead to, and on outcomes spread around it and around zero."""
    env = make_env(name, n_tasks=env_class(name).fixed_n_tasks or 8, num_envs=NUM_LANES)
    env.reset_task(np.arange(NUM_LANES) % env.n_tasks)
    rng = np.random.default_rng(0)
    env.reset([np.random.default_rng(lane) for lane in range(NUM_LANES)])
    outcomes = []
    for _ in range(STEPS):
        *_, info = env.step(rng.uniform(-1, 1, (NUM_LANES, env.act_dim)))
        outcomes.append(info["outcome"])
    seen = np.concatenate(outcomes)
    near = rng.normal(0, 1, (2000, env.outcome_dim)).astype(env.dtype)
    outcome = np.concatenate([seen, seen[rng.integers(len(seen), size=2000)] + near, near])
    _, sparse, _ = env.compute_reward(outcome[:, None], env.tasks)
    env.close()
    assert env.sparse_form() is bool(np.any(sparse))


def test_the_tasks_with_a_sparse_reward_are_known_by_name():
    names = names_with_sparse_rewards()
    assert {"sparse-point-robot", "sawyer-reach"} <= set(names)
    assert not {"point-robot", "cheetah-vel"} & set(names)


def test_a_class_that_changes_the_reward_does_not_inherit_the_declaration():
    class Inverted(PointRobot):
        def compute_reward(self, outcome, task):
            reward, _, terminated = super().compute_reward(outcome, task)
            return -reward, -reward, terminated

    class Renamed(PointRobot):
        name = "another-name"

    assert (Inverted.has_sparse_rewards, Renamed.has_sparse_rewards) == (None, False)
    assert LineWalk.has_sparse_rewards is None


class WithoutSparse(Toy):
    def step(self, action):
        return *super().step(action)[:3], {}


class LateSparse(Toy):
    def step(self, action):
        obs, reward, done, info = super().step(action)
        return obs, reward, done, info if self.clock == 7 else None


@pytest.mark.parametrize(
    ("old_class", "has"), [(Toy, True), (WithoutSparse, False), (LateSparse, True)]
)
def test_of_a_class_of_old_gym_trial_steps_tell(old_class, has):
    env, _ = made(old_class)
    steps = env._instances[0].steps
    assert env.sparse_form() is has
    assert env._instances[0].steps == steps  # the trial has an instance of its own
