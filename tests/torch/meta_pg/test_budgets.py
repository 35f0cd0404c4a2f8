"""Returns after adaptation to a number of trajectories."""

import numpy as np
import torch

from rlkit.core.eval_util import Adaptation
from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.samplers.util import rollout
from rlkit.torch.meta_pg.budgets import BudgetReturns
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.task_data import AdvantageSettings
from tests.torch.meta_pg import toys


def measured(num_envs: int) -> tuple[dict[str, float], Adaptation, GradientPolicy]:
    env = make_env("point-robot", n_tasks=3, num_envs=6)
    policy = GradientPolicy(
        toys.policy(dtype=torch.float32),
        AdvantageSettings(0.99, 1.0, "linear"),
        inner_lr=0.5,
        inner_surrogate="ratio",
    )
    policy.reset_belief(6)
    ids = np.repeat([0, 1, 2], 2)
    explored = [
        rollout(env, policy, ids, [stream(0, "test", lane, n) for lane in range(6)], 6)
        for n in range(3)
    ]
    adaptation = Adaptation(3, 2, explored)
    sampler = InPlacePathSampler(make_env("point-robot", n_tasks=3, num_envs=num_envs), policy, 6)
    budgets = BudgetReturns(sampler, policy, 3, deterministic=True, seed=1)
    assert budgets.budgets == (0, 1, 2, 3)
    return budgets.measure(0, [0, 1, 2], adaptation), adaptation, policy


def test_each_budget_is_one_inner_step_on_the_first_trajectories_whatever_the_lanes():
    found, adaptation, policy = measured(6)
    assert list(found) == [f"Return after {n} trajectories" for n in range(4)]
    assert len(set(found.values())) == 4
    in_slices, *_ = measured(4)
    for name, value in found.items():
        np.testing.assert_allclose(in_slices[name], value, atol=1e-4)
    env = make_env("point-robot", n_tasks=3, num_envs=6)
    for n, value in enumerate(found.values()):
        policy.reset_belief(6)
        if n:
            policy.num_explored = n
            for paths in adaptation.trajectories[:n]:
                policy.adapt(paths)
        draws = [stream(1, "after adaptation", 0, lane) for lane in range(6)]
        ids = np.repeat([0, 1, 2], 2)
        paths = rollout(env, policy, ids, draws, 6, deterministic=True)
        np.testing.assert_allclose(paths.returns().mean(), value, atol=1e-5)
