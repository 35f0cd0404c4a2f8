"""Policies without parameters."""

import numpy as np

from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout


def test_random_actions_fill_the_box_and_belong_to_their_trajectory():
    env = make_env("point-robot", n_tasks=2, num_envs=50)
    wide = rollout(env, RandomPolicy(2), [0, 1] * 25, [stream(0, "test", i) for i in range(50)], 20)
    alone = rollout(env, RandomPolicy(2), [1], [stream(0, "test", 7)], 20)
    np.testing.assert_array_equal(wide.actions[7], alone.actions[0])
    assert wide.actions.min() < -0.99 and wide.actions.max() > 0.99
    assert abs(wide.actions.mean()) < 0.05 and abs(wide.actions.var() - 1 / 3) < 0.03
