"""A rollout: one policy, many lanes, one trajectory each."""

from collections.abc import Sequence

import numpy as np

from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import FeedbackPolicy, Policy, PolicyWithLatents


def rollout(
    env: MetaEnv,
    policy: Policy,
    task_ids: Sequence[int] | np.ndarray,
    generators: Sequence[np.random.Generator],
    max_path_length: int,
    *,
    deterministic: bool | Sequence[bool] | np.ndarray = False,
    policy_generators: Sequence[np.random.Generator] | None = None,
) -> Paths:
    """Run one trajectory per lane, all lanes together.

    Each trajectory takes its random numbers from its own generator in a fixed order (what the
    policy fixes for the trajectory, reset noise, action noise of the whole horizon), and a lane
    is not stepped once it has ended, so a trajectory does not depend on the lanes next to it.

    Args:
        env: steps the lanes; takes actions in [-1, 1].
        policy: already holds the belief of each lane. A `FeedbackPolicy` receives rewards and ends,
            and a `PolicyWithLatents` is asked for the z of every trajectory.
        task_ids: task of each lane, [num_paths], at most env.num_envs.
        generators: one per lane.
        max_path_length: horizon. A trajectory ends there, where its task terminates it, or where
            the class truncates it; only the second is stored as terminated, so that values are
            bootstrapped after the other two.
        deterministic: no action noise; one answer for all lanes, or one per lane.
        policy_generators: one per lane, of what the policy fixes for the trajectory, where that is
            not new with every trajectory.
    Returns:
        The trajectories, in lane order.
    """
    num_paths = len(task_ids)
    feedback = policy if isinstance(policy, FeedbackPolicy) else None
    policy.start_trajectories(policy_generators or generators)
    zs = policy.latents() if isinstance(policy, PolicyWithLatents) else np.zeros((num_paths, 0))
    env.reset_task(np.asarray(task_ids))
    obs = env.reset(generators)
    noise = None
    if not np.all(deterministic):
        noise = np.stack(
            [g.standard_normal((max_path_length, env.act_dim)) for g in generators]
        ).astype(env.dtype)
        noise[np.broadcast_to(deterministic, num_paths)] = 0
    recorded = slice(-env.recorded_dim, None)  # of a stack of pictures the newest
    dims = env.recorded_dim, env.act_dim, env.outcome_dim
    paths = Paths.empty(
        num_paths, max_path_length, *dims, zs.shape[1], dtype=env.dtype, obs_dtype=obs.dtype
    )
    paths.task_ids[:], paths.zs[:] = task_ids, zs
    paths.obs[:, 0] = obs[:, recorded]
    alive = np.ones(num_paths, dtype=bool)
    running = None  # lanes that still run, where some have ended
    rows: slice | np.ndarray = slice(None)  # theirs
    for t in range(max_path_length):
        action = policy.get_actions(obs, None if noise is None else noise[:, t])
        obs, reward, terminated, truncated, info = env.step(action, running)
        paths.obs[rows, t + 1] = obs[rows, recorded]
        paths.actions[rows, t] = action[rows]
        paths.rewards[rows, t] = reward[rows]
        paths.sparse_rewards[rows, t] = info["sparse_reward"][rows]
        paths.outcomes[rows, t] = info["outcome"][rows]
        paths.terminated[rows, t] = terminated[rows]
        paths.lengths[rows] = t + 1
        ended = terminated | truncated
        if feedback is not None:
            over = ~alive | ended | (t + 1 == max_path_length)
            feedback.after_step(np.where(alive, reward, 0), over)
        if ended.any():
            rows = running = alive = alive & ~ended
            if not alive.any():
                break
    return paths
